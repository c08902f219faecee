import { reply, route, type Method, type Route, type Service } from '#lib/http/route.ts'
import { bug } from '#lib/fault.ts'
import { rotateObjectKeys } from './encryption/renew.ts'
import { objectStorePolicies } from './policy.ts'
import { errorPage, statusOfFault, transactionId } from './swift/answer.ts'
import { storageRoute } from './storage.ts'
import { handleSwift } from './swift/dispatch.ts'
import { swiftInfo } from './swift/info.ts'
import { usageRoutes } from './usage-routes.ts'

// For Flash and its kin; other origins than the service's own are not let in.
const crossDomain = `<?xml version="1.0"?>
<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >
<cross-domain-policy>
</cross-domain-policy>`

const methods: Method[] = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'COPY']

export const objectStoreService: Service = {
  name: 'object-store',
  mount: '/object-store',
  prefix: '/v1',
  regional: true,
  catalog: [{ type: 'object-store', name: 'swift', path: '/object-store/v1/AUTH_$(project_id)s' }],
  uuidParams: false,
  policies: objectStorePolicies,
  subscriptions: {
    'keys.rotated': (tx, { region }) => rotateObjectKeys(tx, region ?? bug('keys are rotated in a region')),
  },
  envelope(fault, status) {
    const id = transactionId()
    return {
      body: errorPage(statusOfFault(fault, status), fault.message),
      headers: { 'content-type': 'text/html; charset=UTF-8', 'x-trans-id': id },
    }
  },
  routes: [
    ...methods.map((method): Route =>
      // an object's name may hold anything, so the path is taken apart by the service itself
      route({ method, path: '/*', policy: 'optional', stream: true, handle: (req) => handleSwift(req, method) }),
    ),
    // browsers ask without a token
    route({
      method: 'OPTIONS',
      path: '/*',
      policy: 'public',
      stream: true,
      handle: (req) => handleSwift(req, 'OPTIONS'),
    }),
  ],
  rootRoutes: [
    ...usageRoutes,
    storageRoute,
    route({ method: 'GET', path: '/info', policy: 'public', handle: async ({ world }) => swiftInfo(world) }),
    route({
      method: 'GET',
      path: '/healthcheck',
      policy: 'public',
      handle: async () => reply({ body: 'OK', headers: { 'content-type': 'text/plain; charset=UTF-8' } }),
    }),
    route({
      method: 'GET',
      path: '/crossdomain.xml',
      policy: 'public',
      handle: async () =>
        reply({ body: crossDomain, headers: { 'content-type': 'application/xml', 'x-trans-id': transactionId() } }),
    }),
  ],
}
