// Words that many of Neutron's resources share.
import { Type } from 'typebox'
import { Bool, nullable, truth } from '#lib/http/schema.ts'

export const Name = Type.String({ maxLength: 255 })
export const ProjectId = Type.String({ maxLength: 255 })
export const Description = Type.String({ maxLength: 255 })
export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$',
})
export { Bool, nullable, truth }
export const Tag = Type.String({ minLength: 1, maxLength: 255 })
export const Zones = Type.Array(Type.String({ maxLength: 255 }), { maxItems: 50 })
export const Route = Type.Object(
  { destination: Type.String({ maxLength: 50 }), nexthop: Type.String({ maxLength: 50 }) },
  { additionalProperties: false },
)
export const Dns = Type.String({ maxLength: 255 })

export const owner = { project_id: Type.Optional(ProjectId), tenant_id: Type.Optional(ProjectId) }

/** The truth of an optional boolean; undefined stays undefined. */
export function maybeTruth(value: Parameters<typeof truth>[0] | undefined): boolean | undefined {
  return value === undefined ? undefined : truth(value)
}

/** Neutron's time: `2026-11-21T03:14:07Z`. */
export function time(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`
}

/** The standard attributes at the end of a view. */
export const standard = {
  description: (row: { description: string }) => row.description,
  tags: (row: { tags: string[] }) => row.tags,
  created_at: (row: { createdAt: Date }) => time(row.createdAt),
  updated_at: (row: { updatedAt: Date }) => time(row.updatedAt),
  revision_number: (row: { revision: number }) => row.revision,
}
export const ownerShown = {
  tenant_id: (row: { projectId: string }) => row.projectId,
  project_id: (row: { projectId: string }) => row.projectId,
}
