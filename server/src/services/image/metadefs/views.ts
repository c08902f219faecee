import { isoSeconds } from '#lib/db.ts'
import type { Association, Item, Namespace, ResourceType } from './model.ts'

const dates = (row: { createdAt: Date; updatedAt: Date }) => ({
  created_at: isoSeconds(row.createdAt),
  updated_at: isoSeconds(row.updatedAt),
})

export function showNamespace(row: Namespace, associations: Association[], more: object = {}) {
  const self = `/v2/metadefs/namespaces/${row.namespace}`
  return {
    namespace: row.namespace,
    ...(row.displayName !== null && { display_name: row.displayName }),
    ...(row.description !== null && { description: row.description }),
    visibility: row.visibility,
    protected: row.protected,
    owner: row.owner,
    ...dates(row),
    ...(associations.length > 0 && { resource_type_associations: associations.map(showAssociation) }),
    ...more,
    self,
    schema: '/v2/schemas/metadefs/namespace',
  }
}

export function showAssociation(row: Association) {
  return {
    name: row.resourceType,
    ...(row.prefix !== null && { prefix: row.prefix }),
    ...(row.propertiesTarget !== null && { properties_target: row.propertiesTarget }),
    ...dates(row),
  }
}

export function showResourceType(row: ResourceType) {
  return { name: row.name, ...dates(row) }
}

/** An object or a tag, with its addresses; a property has none. */
export function showItem(row: Item, namespace: string) {
  if (row.kind === 'property') return { name: row.name, ...row.body }
  const plural = row.kind === 'object' ? 'objects' : 'tags'
  const addresses =
    row.kind === 'object'
      ? { self: `/v2/metadefs/namespaces/${namespace}/${plural}/${row.name}`, schema: '/v2/schemas/metadefs/object' }
      : {}
  return {
    name: row.name,
    ...row.body,
    ...(row.kind === 'object' && { required: row.body['required'] ?? [], properties: row.body['properties'] ?? {} }),
    ...dates(row),
    ...addresses,
  }
}
