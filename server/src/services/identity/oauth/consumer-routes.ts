import { Type } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { nullable } from '#lib/http/schema.ts'
import { change } from '../change.ts'
import { given, mergeExtra, ownAttributes, requestOf } from '../fields.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import { type Consumer, findConsumer, insertConsumer, listConsumers, removeConsumer, updateConsumer } from './model.ts'

const description = Type.Optional(nullable(Type.String({ maxLength: 65_535 })))
const CreateConsumer = requestOf('consumer', { description })
const UpdateConsumer = requestOf('consumer', { description }, { minProperties: 1 })

const path = '/OS-OAUTH1/consumers'
const consumerView = identityView<Consumer>(['consumer', 'consumers'], path, { description: (c) => c.description })
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findConsumer(db, params['id']!)
const on = { noun: 'Consumer', find, about: () => ({}), path: `${path}/:id` }

function requireNoSecret(rest: object): void {
  if ('secret' in rest) invalid('The secret of a consumer is made here and cannot be chosen.')
}

export const oauthConsumerRoutes = [
  route({
    method: 'POST',
    path,
    policy: 'identity:create_consumer',
    status: 201,
    body: CreateConsumer,
    async handle({ db, body, view }) {
      const { description: text = null, ...rest } = body.consumer
      requireNoSecret(rest)
      const extra = ownAttributes(rest)
      const { row, secret } = await db.transaction((tx) => insertConsumer(tx, { description: text, extra }))
      // the only time that the secret is shown
      return { consumer: { ...consumerView.item(row, view), secret } }
    },
  }),
  route({
    method: 'GET',
    path,
    policy: 'identity:list_consumers',
    handle: async (req) => consumerView.list(await listConsumers(req.db), req),
  }),
  routeOn({
    method: 'GET',
    policy: 'identity:get_consumer',
    ...on,
    handle: async ({ view }, row) => consumerView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    policy: 'identity:update_consumer',
    body: UpdateConsumer,
    ...on,
    async handle({ db, body, view }, before) {
      const { description: text, ...rest } = body.consumer
      requireNoSecret(rest)
      const extra = Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined
      const row = await db.transaction((tx) => updateConsumer(tx, before.id, given({ description: text, extra })))
      return consumerView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    policy: 'identity:delete_consumer',
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeConsumer(tx, id))
    },
  }),
]
