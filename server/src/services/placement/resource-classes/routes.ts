import { Type } from 'typebox'
import { conflict } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { requireValid, strict, versioned } from '#lib/http/schema.ts'
import { atLeast, basePath, fresh } from '../http.ts'
import { addClass, classForm, listClasses, removeClass, renameClass, requireClass } from './model.ts'

const ClassName = strict({ name: Type.String({ pattern: classForm, maxLength: 255 }) })
const checkName = versioned(ClassName)

const shown = (req: Pick<Request, 'view'>, name: string) => ({
  name,
  links: [{ rel: 'self', href: `${basePath(req)}/resource_classes/${name}` }],
})

export const resourceClassRoutes = [
  route({
    method: 'GET',
    path: '/resource_classes',
    policy: 'placement:resource_classes:list',
    since: '1.2',
    async handle(req) {
      const all = await listClasses(req.db, req.region)
      return fresh(req, { resource_classes: all.map((name) => shown(req, name)) })
    },
  }),
  route({
    method: 'POST',
    path: '/resource_classes',
    policy: 'placement:resource_classes:create',
    since: '1.2',
    body: ClassName,
    async handle({ db, region, body: { name }, view }) {
      const added = await db.transaction((tx) => addClass(tx, region, name))
      if (!added) conflict(`Conflicting resource class already exists: ${name}`)
      return reply({ status: 201, body: undefined, headers: { location: `${view.baseUrl}/resource_classes/${name}` } })
    },
  }),
  route({
    method: 'GET',
    path: '/resource_classes/:name',
    policy: 'placement:resource_classes:show',
    since: '1.2',
    async handle(req) {
      const name = req.params['name']!
      await requireClass(req.db, req.region, name)
      return fresh(req, shown(req, name))
    },
  }),
  route({
    method: 'PUT',
    path: '/resource_classes/:name',
    policy: 'placement:resource_classes:update',
    since: '1.2',
    body: Type.Unknown(),
    async handle(req) {
      const name = req.params['name']!
      if (atLeast(req, '1.7')) {
        const added = await req.db.transaction((tx) => addClass(tx, req.region, name))
        const location = `${req.view.baseUrl}/resource_classes/${name}`
        return reply({ status: added ? 201 : 204, body: undefined, headers: { location } })
      }
      // until 1.6 it renames
      requireValid(checkName(req.version), req.body, 'request body')
      const { name: to } = req.body as { name: string }
      await req.db.transaction((tx) => renameClass(tx, req.region, name, to))
      return shown(req, to)
    },
  }),
  route({
    method: 'DELETE',
    path: '/resource_classes/:name',
    policy: 'placement:resource_classes:delete',
    since: '1.2',
    async handle({ db, region, params }) {
      await db.transaction((tx) => removeClass(tx, region, params['name']!))
    },
  }),
]
