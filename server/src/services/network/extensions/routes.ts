import { notFound } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'
import { pick } from '../rest/filters.ts'
import { extensions } from './list.ts'

const shown = extensions.map(([alias, name, description]) => ({
  alias,
  name,
  description,
  updated: '2026-01-01T00:00:00-00:00',
  links: [],
}))

export const extensionRoutes = [
  route({
    method: 'GET',
    path: '/extensions',
    policy: 'public',
    handle: async ({ query }) => ({ extensions: shown.map((each) => pick(query, each)) }),
  }),
  route({
    method: 'GET',
    path: '/extensions/:alias',
    policy: 'public',
    async handle({ params, query }) {
      const found = shown.find(({ alias }) => alias === params['alias'])
      return { extension: pick(query, found ?? notFound('Extension', params['alias']!)) }
    },
  }),
]
