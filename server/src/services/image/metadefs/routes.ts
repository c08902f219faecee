import type { Static } from 'typebox'
import { forbidden } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { metadefItemRoutes } from './items.routes.ts'
import {
  associate,
  dissociate,
  insertItem,
  insertNamespace,
  listAssociations,
  listItems,
  listNamespaces,
  listResourceTypes,
  removeNamespace,
  replaceTags,
  updateNamespace,
} from './model.ts'
import { CreateNamespace, ResourceTypeAssociation, UpdateNamespace } from './schema.ts'
import { inNamespace, namespaceOf, namespaces, ownerTarget } from './scope.routes.ts'
import { showAssociation, showItem, showNamespace, showResourceType } from './views.ts'

function fieldsOf(body: Static<typeof UpdateNamespace>, req: Request) {
  if (body.owner !== undefined && body.owner !== req.actor.projectId && !req.actor.isAdmin)
    forbidden('A namespace can be given to another project by an administrator only.')
  return {
    namespace: body.namespace,
    ...(body.display_name !== undefined && { displayName: body.display_name }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.visibility !== undefined && { visibility: body.visibility }),
    ...(body.protected !== undefined && { protected: body.protected }),
    ...(body.owner !== undefined && { owner: body.owner }),
  }
}

const namespaceRoutes = [
  route({
    method: 'GET',
    path: namespaces,
    policy: 'get_metadef_namespaces',
    async handle(req) {
      const types = one(req.query, 'resource_types')
      const visibility = one(req.query, 'visibility')
      const rows = await listNamespaces(req.db, req.region, req.actor, {
        ...(visibility && { visibility }),
        ...(types && { resourceTypes: types.split(',') }),
      })
      const associations = await listAssociations(
        req.db,
        rows.map(({ id }) => id),
      )
      return {
        namespaces: rows.map((row) =>
          showNamespace(
            row,
            associations.filter(({ namespaceId }) => namespaceId === row.id),
          ),
        ),
        first: `/v2${namespaces}`,
        schema: '/v2/schemas/metadefs/namespaces',
      }
    },
  }),
  route({
    method: 'POST',
    path: namespaces,
    policy: 'add_metadef_namespace',
    body: CreateNamespace,
    async handle(req) {
      const { body } = req
      const made = await req.db.transaction(async (tx) => {
        const row = await insertNamespace(tx, req.region, req.actor.projectId ?? '', fieldsOf(body, req))
        for (const { name, prefix, properties_target: propertiesTarget } of body.resource_type_associations ?? []) {
          await associate(tx, row.id, {
            name,
            ...(prefix !== undefined && { prefix }),
            ...(propertiesTarget !== undefined && { propertiesTarget }),
          })
        }
        for (const { name, ...rest } of body.objects ?? []) await insertItem(tx, row.id, 'object', name, rest)
        for (const [name, rest] of Object.entries(body.properties ?? {}))
          await insertItem(tx, row.id, 'property', name, rest)
        await replaceTags(
          tx,
          row.id,
          (body.tags ?? []).map(({ name }) => name),
        )
        return row
      })
      return reply({
        status: 201,
        body: showNamespace(made, await listAssociations(req.db, [made.id])),
        headers: { location: `${req.view.baseUrl}${namespaces}/${made.namespace}` },
      })
    },
  }),
  route({
    method: 'GET',
    path: inNamespace,
    policy: 'get_metadef_namespace',
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db }, row) {
      const [associations, objects, properties, tags] = [
        await listAssociations(db, [row.id]),
        await listItems(db, row.id, 'object'),
        await listItems(db, row.id, 'property'),
        await listItems(db, row.id, 'tag'),
      ]
      return showNamespace(row, associations, {
        ...(objects.length > 0 && { objects: objects.map((each) => showItem(each, row.namespace)) }),
        ...(properties.length > 0 && {
          properties: Object.fromEntries(properties.map(({ name, body }) => [name, body])),
        }),
        ...(tags.length > 0 && { tags: tags.map(({ name }) => ({ name })) }),
      })
    },
  }),
  route({
    method: 'PUT',
    path: inNamespace,
    policy: 'modify_metadef_namespace',
    body: UpdateNamespace,
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle(req, row) {
      const changed = await req.db.transaction((tx) => updateNamespace(tx, row.id, fieldsOf(req.body, req)))
      return showNamespace(changed, await listAssociations(req.db, [row.id]))
    },
  }),
  route({
    method: 'DELETE',
    path: inNamespace,
    policy: 'delete_metadef_namespace',
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db }, row) {
      await db.transaction((tx) => removeNamespace(tx, row))
    },
  }),
]

const resourceTypeRoutes = [
  route({
    method: 'GET',
    path: '/metadefs/resource_types',
    policy: 'list_metadef_resource_types',
    handle: async ({ db }) => ({ resource_types: (await listResourceTypes(db)).map(showResourceType) }),
  }),
  route({
    method: 'GET',
    path: `${inNamespace}/resource_types`,
    policy: 'get_metadef_resource_type',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      resource_type_associations: (await listAssociations(db, [row.id])).map(showAssociation),
    }),
  }),
  route({
    method: 'POST',
    path: `${inNamespace}/resource_types`,
    policy: 'add_metadef_resource_type_association',
    body: ResourceTypeAssociation,
    status: 201,
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db, body }, row) {
      const { name, prefix, properties_target: propertiesTarget } = body
      return showAssociation(
        await db.transaction((tx) =>
          associate(tx, row.id, {
            name,
            ...(prefix !== undefined && { prefix }),
            ...(propertiesTarget !== undefined && { propertiesTarget }),
          }),
        ),
      )
    },
  }),
  route({
    method: 'DELETE',
    path: `${inNamespace}/resource_types/:name`,
    policy: 'remove_metadef_resource_type_association',
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db, params }, row) {
      await db.transaction((tx) => dissociate(tx, row.id, params['name'] ?? ''))
    },
  }),
]

export const metadefRoutes = [...namespaceRoutes, ...metadefItemRoutes, ...resourceTypeRoutes]
