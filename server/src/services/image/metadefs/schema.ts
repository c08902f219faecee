import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'

const Name = Type.String({ minLength: 1, maxLength: 80 })
const Description = nullable(Type.String({ maxLength: 500 }))

export const ResourceTypeAssociation = Type.Object({
  name: Name,
  prefix: Type.Optional(Type.String({ maxLength: 80 })),
  properties_target: Type.Optional(Type.String({ maxLength: 80 })),
})

/** What a property looks like: a JSON schema with a name. */
const PropertyBody = {
  title: Type.String(),
  type: Type.Enum(['array', 'boolean', 'integer', 'number', 'object', 'string']),
}
export const CreateProperty = Type.Object({ name: Name, ...PropertyBody })
export const CreateObject = Type.Object({
  name: Name,
  description: Type.Optional(Description),
  required: Type.Optional(Type.Array(Type.String())),
  properties: Type.Optional(Type.Record(Type.String(), Type.Object(PropertyBody))),
})
export const CreateTags = Type.Object({ tags: Type.Array(Type.Object({ name: Name })) })
export const UpdateTag = Type.Object({ name: Name })

const namespaceFields = {
  display_name: Type.Optional(Type.String({ maxLength: 80 })),
  description: Type.Optional(Description),
  visibility: Type.Optional(Type.Enum(['public', 'private'])),
  protected: Type.Optional(Type.Boolean()),
  owner: Type.Optional(Type.String({ maxLength: 255 })),
}
export const UpdateNamespace = Type.Object({ namespace: Name, ...namespaceFields })
export const CreateNamespace = Type.Object({
  namespace: Name,
  ...namespaceFields,
  resource_type_associations: Type.Optional(Type.Array(ResourceTypeAssociation)),
  objects: Type.Optional(Type.Array(CreateObject)),
  properties: Type.Optional(Type.Record(Type.String(), Type.Object(PropertyBody))),
  tags: Type.Optional(Type.Array(Type.Object({ name: Name }))),
})
