import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Description, Enabled, Id, nameOf, requestOf, ResourceOptions } from '../fields.ts'

export const projectName = nameOf(64)
export const Tag = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]*$' })
export const Tags = Type.Array(Tag, { maxItems: 80, uniqueItems: true })

export const CreateProject = requestOf('project', {
  name: projectName,
  domain_id: Type.Optional(nullable(Id)),
  parent_id: Type.Optional(nullable(Id)),
  is_domain: Type.Optional(Type.Boolean()),
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
  tags: Type.Optional(Tags),
  options: Type.Optional(ResourceOptions),
})
export const UpdateProject = requestOf('project', {
  name: Type.Optional(projectName),
  domain_id: Type.Optional(nullable(Id)),
  parent_id: Type.Optional(nullable(Id)),
  is_domain: Type.Optional(Type.Boolean()),
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
  tags: Type.Optional(Tags),
  options: Type.Optional(ResourceOptions),
})
export const ReplaceTags = Type.Object({ tags: Tags }, { additionalProperties: false })
