import type { Request } from '#lib/http/route.ts'
import { route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { given, mergeExtra, mergeOptions, ownAttributes } from '../fields.ts'
import { flag, readIdentityPage, readTextFilters } from '../lists.ts'
import { insertProject, updateProject } from '../projects/model.ts'
import { routeOn } from '../route-on.ts'
import { deleteDomain, findDomain, getDomain, listDomains } from './model.ts'
import { aboutDomain } from './policy.ts'
import { CreateDomain, UpdateDomain } from './schema.ts'
import { domainView } from './views.ts'

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findDomain(db, params['id']!)
const on = { noun: 'Domain', find, about: aboutDomain } as const

export const domainRoutes = [
  route({
    method: 'POST',
    path: '/domains',
    policy: 'identity:create_domain',
    status: 201,
    body: CreateDomain,
    async handle({ db, body, view }) {
      const {
        name,
        description,
        enabled = true,
        tags = [],
        options = {},
        explicit_domain_id: id,
        ...rest
      } = body.domain
      const spec = {
        name,
        domainId: null,
        parentId: null,
        isDomain: true,
        description: description ?? '',
        enabled,
        tags,
        options: mergeOptions({}, options),
        extra: ownAttributes(rest),
      }
      return domainView.show(await change(db, (tx) => insertProject(tx, spec, id)), view)
    },
  }),
  route({
    method: 'GET',
    path: '/domains',
    policy: 'identity:list_domains',
    target: async ({ actor }) => actor.domainId,
    policyTarget: (id) => (id === null ? {} : aboutDomain({ id })),
    async handle(req, only) {
      const { db, query } = req
      const { rows, more } = await listDomains(
        db,
        { text: readTextFilters(query, ['name']), enabled: flag(query, 'enabled'), only: only ?? undefined },
        readIdentityPage(query),
      )
      return domainView.list(rows, req, more)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/domains/:id',
    policy: 'identity:get_domain',
    ...on,
    handle: async ({ view }, row) => domainView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/domains/:id',
    policy: 'identity:update_domain',
    tells: true,
    body: UpdateDomain,
    ...on,
    async handle({ db, body, view }, { id }) {
      const { name, description, enabled, tags, options, ...rest } = body.domain
      const row = await change(db, async (tx) => {
        const before = await getDomain(tx, id)
        return updateProject(
          tx,
          before,
          given({
            name,
            description: description === null ? '' : description,
            enabled,
            tags,
            options: options && mergeOptions(before.options, options),
            extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
          }),
          body.domain,
        )
      })
      return domainView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/domains/:id',
    policy: 'identity:delete_domain',
    ...on,
    async handle({ db }, { id }) {
      await change(db, async (tx) => deleteDomain(tx, await getDomain(tx, id)))
    },
  }),
]
