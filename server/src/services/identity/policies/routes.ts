// Policies as Keystone keeps them: texts that other services may fetch. Nothing here reads them.
import { Type } from 'typebox'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { given, mergeExtra, ownAttributes, requestOf } from '../fields.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import {
  findPolicyBlob,
  insertPolicyBlob,
  listPolicyBlobs,
  type PolicyBlob,
  removePolicyBlob,
  updatePolicyBlob,
} from './model.ts'

const PolicyType = Type.String({ minLength: 1, maxLength: 255 })
const CreatePolicy = requestOf('policy', { blob: Type.String(), type: PolicyType })
const UpdatePolicy = requestOf(
  'policy',
  { blob: Type.Optional(Type.String()), type: Type.Optional(PolicyType) },
  { minProperties: 1 },
)
export const policyView = identityView<PolicyBlob>(['policy', 'policies'], '/policies', {
  type: (p) => p.type,
  blob: (p) => p.blob,
})
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findPolicyBlob(db, params['id']!)
const on = { noun: 'Policy', find, about: () => ({}) }

export const policyRoutes = [
  route({
    method: 'POST',
    path: '/policies',
    policy: 'identity:create_policy',
    status: 201,
    body: CreatePolicy,
    async handle({ db, body, view }) {
      const { blob, type, ...rest } = body.policy
      const row = await db.transaction((tx) => insertPolicyBlob(tx, { blob, type, extra: ownAttributes(rest) }))
      return policyView.show(row, view)
    },
  }),
  route({
    method: 'GET',
    path: '/policies',
    policy: 'identity:list_policies',
    handle: async (req) => policyView.list(await listPolicyBlobs(req.db, one(req.query, 'type')), req),
  }),
  routeOn({
    method: 'GET',
    path: '/policies/:id',
    policy: 'identity:get_policy',
    ...on,
    handle: async ({ view }, row) => policyView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/policies/:id',
    policy: 'identity:update_policy',
    body: UpdatePolicy,
    ...on,
    async handle({ db, body, view }, before) {
      const { blob, type, ...rest } = body.policy
      const extra = Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined
      const row = await db.transaction((tx) => updatePolicyBlob(tx, before.id, given({ blob, type, extra })))
      return policyView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/policies/:id',
    policy: 'identity:delete_policy',
    ...on,
    async handle({ db }, { id }) {
      await db.transaction((tx) => removePolicyBlob(tx, id))
    },
  }),
]
