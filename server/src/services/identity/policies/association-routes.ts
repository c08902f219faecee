import { notFound } from '#lib/fault.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import { findEndpoint } from '../endpoints/model.ts'
import { endpointView } from '../endpoints/views.ts'
import { findRegion } from '../regions/model.ts'
import { findService } from '../services/model.ts'
import {
  associatePolicy,
  dissociatePolicy,
  endpointsOfPolicy,
  isAssociated,
  type PolicyTarget,
  policyOfEndpoint,
} from './association-model.ts'
import { findPolicyBlob } from './model.ts'
import { policyView } from './routes.ts'

const base = '/policies/:id/OS-ENDPOINT-POLICY'
const kinds = [
  ['endpoint', `${base}/endpoints/:endpointId`],
  ['service', `${base}/services/:serviceId`],
  ['region_and_service', `${base}/services/:serviceId/regions/:regionId`],
] as const

/** Throws notFound when one of what the path names is not there. */
async function requireNamed({ db, params }: Request): Promise<PolicyTarget> {
  const { id = '', endpointId, serviceId, regionId } = params
  if (!(await findPolicyBlob(db, id))) notFound('Policy', id)
  if (endpointId !== undefined && !(await findEndpoint(db, endpointId))) notFound('Endpoint', endpointId)
  if (serviceId !== undefined && !(await findService(db, serviceId))) notFound('Service', serviceId)
  if (regionId !== undefined && !(await findRegion(db, regionId))) notFound('Region', regionId)
  return { endpointId, serviceId, regionId }
}

type Change = (req: Request, policyId: string, target: PolicyTarget) => Promise<boolean>
const changes: Record<'PUT' | 'GET' | 'DELETE', [verb: string, change: Change]> = {
  PUT: [
    'create',
    async ({ db }, policyId, target) => {
      await db.transaction((tx) => associatePolicy(tx, policyId, target))
      return true
    },
  ],
  GET: ['check', ({ db }, policyId, target) => isAssociated(db, policyId, target)],
  DELETE: ['delete', ({ db }, policyId, target) => db.transaction((tx) => dissociatePolicy(tx, policyId, target))],
}

export const policyAssociationRoutes = [
  ...kinds.flatMap(([kind, path]) =>
    Object.entries(changes).map(([method, [verb, change]]) =>
      route({
        method: method as Method,
        path,
        policy: `identity:${verb}_policy_association_for_${kind}`,
        async handle(req) {
          const target = await requireNamed(req)
          const policyId = req.params['id']!
          if (!(await change(req, policyId, target))) notFound('Policy association of policy', policyId)
          return reply({ status: 204 })
        },
      }),
    ),
  ),
  route({
    method: 'GET',
    path: `${base}/endpoints`,
    policy: 'identity:list_endpoints_for_policy',
    async handle(req) {
      await requireNamed(req)
      return endpointView(req.world).list(await endpointsOfPolicy(req.db, req.params['id']!), req)
    },
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpointId/OS-ENDPOINT-POLICY/policy',
    policy: 'identity:get_policy_for_endpoint',
    async handle({ db, params, view }) {
      const id = params['endpointId']!
      const row = (await findEndpoint(db, id)) ?? notFound('Endpoint', id)
      const policyId = await policyOfEndpoint(db, row)
      const found = policyId === undefined ? undefined : await findPolicyBlob(db, policyId)
      return policyView.show(found ?? notFound('Policy of endpoint', id), view)
    },
  }),
]
