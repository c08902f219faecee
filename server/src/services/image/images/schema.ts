import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'

export const diskFormats = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop'] as const
export const containerFormats = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const

const Property = nullable(Type.String({ maxLength: 65_535 }))

/** What a client may set. Everything else that is a string is a custom property. */
export const settable = {
  name: nullable(Type.String({ maxLength: 255 })),
  visibility: Type.Enum(['public', 'private', 'shared', 'community']),
  protected: Type.Boolean(),
  os_hidden: Type.Boolean(),
  tags: Type.Array(Type.String({ maxLength: 255 })),
  container_format: nullable(Type.Enum([...containerFormats])),
  disk_format: nullable(Type.Enum([...diskFormats])),
  min_disk: Type.Integer({ minimum: 0, maximum: 2_147_483_647 }),
  min_ram: Type.Integer({ minimum: 0, maximum: 2_147_483_647 }),
} as const

export const CreateImage = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
      }),
    ),
    owner: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
    ...Object.fromEntries(Object.entries(settable).map(([name, schema]) => [name, Type.Optional(schema)])),
  },
  { additionalProperties: Property },
)

/**
 * JSON patch as Glance takes it: add, replace, remove of one member. v2.1 writes {op, path, value}, v2.0 wrote
 * {<op>: path, value}.
 */
export const PatchImage = Type.Array(
  Type.Object({
    op: Type.Optional(Type.Enum(['add', 'replace', 'remove'])),
    path: Type.Optional(Type.String()),
    add: Type.Optional(Type.String()),
    replace: Type.Optional(Type.String()),
    remove: Type.Optional(Type.String()),
    value: Type.Optional(Type.Unknown()),
  }),
)
export const patchType = 'application/openstack-images-v2.1-json-patch'
export const oldPatchType = 'application/openstack-images-v2.0-json-patch'
