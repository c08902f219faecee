import type { Static } from 'typebox'
import { forbidden } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import {
  associate,
  dissociate,
  getItem,
  getNamespace,
  insertItem,
  insertNamespace,
  listAssociations,
  listItems,
  listNamespaces,
  listResourceTypes,
  removeItems,
  removeNamespace,
  replaceTags,
  updateItem,
  updateNamespace,
} from './model.ts'
import {
  CreateNamespace,
  CreateObject,
  CreateProperty,
  CreateTags,
  ResourceTypeAssociation,
  UpdateNamespace,
  UpdateTag,
} from './schema.ts'
import { showAssociation, showItem, showNamespace, showResourceType } from './views.ts'

const base = '/metadefs/namespaces'
const at = `${base}/:namespace`
const namespaceOf = (req: Request) => getNamespace(req.db, req.region, req.params['namespace'] ?? '', req.actor)
const ownerTarget = ({ owner }: { owner: string }) => ({ project_id: owner })

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
    path: base,
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
        first: `/v2${base}`,
        schema: '/v2/schemas/metadefs/namespaces',
      }
    },
  }),
  route({
    method: 'POST',
    path: base,
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
        headers: { location: `${req.view.baseUrl}${base}/${made.namespace}` },
      })
    },
  }),
  route({
    method: 'GET',
    path: at,
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
    path: at,
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
    path: at,
    policy: 'delete_metadef_namespace',
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db }, row) {
      await db.transaction((tx) => removeNamespace(tx, row))
    },
  }),
]

// Objects and properties are alike but for their schema and how a list of them is written.
function itemRoutes(kind: 'object' | 'property', plural: string, schema: typeof CreateObject | typeof CreateProperty) {
  return [
    route({
      method: 'POST',
      path: `${at}/${plural}`,
      policy: `add_metadef_${kind}`,
      body: schema,
      status: 201,
      target: namespaceOf,
      policyTarget: ownerTarget,
      async handle({ db, body }, row) {
        const { name, ...rest } = body as { name: string }
        return showItem(await db.transaction((tx) => insertItem(tx, row.id, kind, name, rest)), row.namespace)
      },
    }),
    route({
      method: 'GET',
      path: `${at}/${plural}/:name`,
      policy: `get_metadef_${kind}`,
      target: namespaceOf,
      policyTarget: ownerTarget,
      handle: async ({ db, params }, row) =>
        showItem(await getItem(db, row.id, kind, params['name'] ?? ''), row.namespace),
    }),
    route({
      method: 'PUT',
      path: `${at}/${plural}/:name`,
      policy: `modify_metadef_${kind}`,
      body: schema,
      target: namespaceOf,
      policyTarget: ownerTarget,
      async handle({ db, params, body }, row) {
        const { name, ...rest } = body as { name: string }
        return showItem(
          await db.transaction(async (tx) =>
            updateItem(tx, await getItem(tx, row.id, kind, params['name'] ?? ''), name, rest),
          ),
          row.namespace,
        )
      },
    }),
  ]
}

const listRoutes = [
  route({
    method: 'GET',
    path: `${at}/objects`,
    policy: 'get_metadef_objects',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      objects: (await listItems(db, row.id, 'object')).map((each) => showItem(each, row.namespace)),
      first: `/v2${base}/${row.namespace}/objects`,
      schema: '/v2/schemas/metadefs/objects',
    }),
  }),
  route({
    method: 'GET',
    path: `${at}/properties`,
    policy: 'get_metadef_properties',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      properties: Object.fromEntries((await listItems(db, row.id, 'property')).map(({ name, body }) => [name, body])),
    }),
  }),
  route({
    method: 'GET',
    path: `${at}/tags`,
    policy: 'get_metadef_tags',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      tags: (await listItems(db, row.id, 'tag')).map(({ name }) => ({ name })),
      first: `/v2${base}/${row.namespace}/tags`,
      schema: '/v2/schemas/metadefs/tags',
    }),
  }),
  ...(['object', 'property', 'tag'] as const).flatMap((kind) => {
    const plural = kind === 'property' ? 'properties' : `${kind}s`
    return [
      route({
        method: 'DELETE',
        path: `${at}/${plural}`,
        policy: `delete_metadef_${kind}`,
        target: namespaceOf,
        policyTarget: ownerTarget,
        async handle({ db }, row) {
          await db.transaction((tx) => removeItems(tx, row.id, kind))
        },
      }),
      route({
        method: 'DELETE',
        path: `${at}/${plural}/:name`,
        policy: `delete_metadef_${kind}`,
        target: namespaceOf,
        policyTarget: ownerTarget,
        async handle({ db, params }, row) {
          await db.transaction(async (tx) =>
            removeItems(tx, row.id, kind, (await getItem(tx, row.id, kind, params['name'] ?? '')).name),
          )
        },
      }),
    ]
  }),
]

const tagRoutes = [
  route({
    method: 'POST',
    path: `${at}/tags`,
    policy: 'add_metadef_tags',
    body: CreateTags,
    status: 201,
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, body }, row) => ({
      tags: (
        await db.transaction((tx) =>
          replaceTags(
            tx,
            row.id,
            body.tags.map(({ name }) => name),
          ),
        )
      ).map(({ name }) => ({ name })),
    }),
  }),
  route({
    method: 'POST',
    path: `${at}/tags/:name`,
    policy: 'add_metadef_tag',
    status: 201,
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, params }, row) =>
      showItem(await db.transaction((tx) => insertItem(tx, row.id, 'tag', params['name'] ?? '', {})), row.namespace),
  }),
  route({
    method: 'GET',
    path: `${at}/tags/:name`,
    policy: 'get_metadef_tag',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, params }, row) =>
      showItem(await getItem(db, row.id, 'tag', params['name'] ?? ''), row.namespace),
  }),
  route({
    method: 'PUT',
    path: `${at}/tags/:name`,
    policy: 'modify_metadef_tag',
    body: UpdateTag,
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, params, body }, row) =>
      showItem(
        await db.transaction(async (tx) =>
          updateItem(tx, await getItem(tx, row.id, 'tag', params['name'] ?? ''), body.name, {}),
        ),
        row.namespace,
      ),
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
    path: `${at}/resource_types`,
    policy: 'get_metadef_resource_type',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      resource_type_associations: (await listAssociations(db, [row.id])).map(showAssociation),
    }),
  }),
  route({
    method: 'POST',
    path: `${at}/resource_types`,
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
    path: `${at}/resource_types/:name`,
    policy: 'remove_metadef_resource_type_association',
    target: namespaceOf,
    policyTarget: ownerTarget,
    async handle({ db, params }, row) {
      await db.transaction((tx) => dissociate(tx, row.id, params['name'] ?? ''))
    },
  }),
]

export const metadefRoutes = [
  ...namespaceRoutes,
  ...itemRoutes('object', 'objects', CreateObject),
  ...itemRoutes('property', 'properties', CreateProperty),
  ...listRoutes,
  ...tagRoutes,
  ...resourceTypeRoutes,
]
