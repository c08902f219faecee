import { route } from '#lib/http/route.ts'
import { getItem, insertItem, listItems, removeItems, replaceTags, updateItem } from './model.ts'
import { CreateObject, CreateProperty, CreateTags, UpdateTag } from './schema.ts'
import { inNamespace, namespaceOf, namespaces, ownerTarget } from './scope.routes.ts'
import { showItem } from './views.ts'

// Objects and properties are alike but for their schema and how a list of them is written.
function itemRoutes(kind: 'object' | 'property', plural: string, schema: typeof CreateObject | typeof CreateProperty) {
  return [
    route({
      method: 'POST',
      path: `${inNamespace}/${plural}`,
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
      path: `${inNamespace}/${plural}/:name`,
      policy: `get_metadef_${kind}`,
      target: namespaceOf,
      policyTarget: ownerTarget,
      handle: async ({ db, params }, row) =>
        showItem(await getItem(db, row.id, kind, params['name'] ?? ''), row.namespace),
    }),
    route({
      method: 'PUT',
      path: `${inNamespace}/${plural}/:name`,
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
    path: `${inNamespace}/objects`,
    policy: 'get_metadef_objects',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      objects: (await listItems(db, row.id, 'object')).map((each) => showItem(each, row.namespace)),
      first: `/v2${namespaces}/${row.namespace}/objects`,
      schema: '/v2/schemas/metadefs/objects',
    }),
  }),
  route({
    method: 'GET',
    path: `${inNamespace}/properties`,
    policy: 'get_metadef_properties',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      properties: Object.fromEntries((await listItems(db, row.id, 'property')).map(({ name, body }) => [name, body])),
    }),
  }),
  route({
    method: 'GET',
    path: `${inNamespace}/tags`,
    policy: 'get_metadef_tags',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db }, row) => ({
      tags: (await listItems(db, row.id, 'tag')).map(({ name }) => ({ name })),
      first: `/v2${namespaces}/${row.namespace}/tags`,
      schema: '/v2/schemas/metadefs/tags',
    }),
  }),
  ...(['object', 'property', 'tag'] as const).flatMap((kind) => {
    const plural = kind === 'property' ? 'properties' : `${kind}s`
    return [
      route({
        method: 'DELETE',
        path: `${inNamespace}/${plural}`,
        policy: kind === 'tag' ? 'delete_metadef_tags' : 'delete_metadef_namespace',
        target: namespaceOf,
        policyTarget: ownerTarget,
        async handle({ db }, row) {
          await db.transaction((tx) => removeItems(tx, row.id, kind))
        },
      }),
      route({
        method: 'DELETE',
        path: `${inNamespace}/${plural}/:name`,
        policy: kind === 'property' ? 'remove_metadef_property' : `delete_metadef_${kind}`,
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
    path: `${inNamespace}/tags`,
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
    path: `${inNamespace}/tags/:name`,
    policy: 'add_metadef_tag',
    status: 201,
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, params }, row) =>
      showItem(await db.transaction((tx) => insertItem(tx, row.id, 'tag', params['name'] ?? '', {})), row.namespace),
  }),
  route({
    method: 'GET',
    path: `${inNamespace}/tags/:name`,
    policy: 'get_metadef_tag',
    target: namespaceOf,
    policyTarget: ownerTarget,
    handle: async ({ db, params }, row) =>
      showItem(await getItem(db, row.id, 'tag', params['name'] ?? ''), row.namespace),
  }),
  route({
    method: 'PUT',
    path: `${inNamespace}/tags/:name`,
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

export const metadefItemRoutes = [
  ...itemRoutes('object', 'objects', CreateObject),
  ...itemRoutes('property', 'properties', CreateProperty),
  ...listRoutes,
  ...tagRoutes,
]
