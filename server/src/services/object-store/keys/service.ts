import type { Service } from '#lib/http/route.ts'
import { countKeys } from '../encryption/own-keys.ts'
import { objectKeyPolicies } from './policy.ts'
import { keyRoutes } from './routes.ts'

export const objectKeyService: Service = {
  name: 'object-keys',
  mount: '/object-keys',
  prefix: '/v1',
  regional: true,
  catalog: [{ type: 'object-keys', name: 'pileus-object-keys', path: '/object-keys/v1' }],
  uuidParams: true,
  policies: objectKeyPolicies,
  quotas: { keys: { default: 100, used: countKeys } },
  envelope: (fault, status) => ({ body: { error: { code: status, message: fault.message } } }),
  routes: keyRoutes,
}
