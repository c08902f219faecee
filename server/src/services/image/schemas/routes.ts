// `/v2/schemas/…`: what Glance's clients read to know an image's attributes.
import { route } from '#lib/http/route.ts'
import { containerFormats, diskFormats } from '../images/schema.ts'

const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more })
const orNull = (description: string, more: object = {}) => ({ type: ['null', 'string'], description, ...more })
const readOnly = { readOnly: true }

const imageSchema = {
  name: 'image',
  properties: {
    id: text('An identifier for the image', {
      pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
    }),
    name: orNull('Descriptive name for the image', { maxLength: 255 }),
    status: text('Status of the image', {
      ...readOnly,
      enum: [
        'queued',
        'saving',
        'active',
        'killed',
        'deleted',
        'uploading',
        'importing',
        'pending_delete',
        'deactivated',
      ],
    }),
    visibility: text('Scope of image accessibility', { enum: ['community', 'public', 'private', 'shared'] }),
    protected: { type: 'boolean', description: 'If true, the image cannot be deleted' },
    os_hidden: { type: 'boolean', description: 'If true, the image is not in the default list' },
    checksum: orNull('md5 hash of the image contents', { ...readOnly, maxLength: 32 }),
    os_hash_algo: orNull('Algorithm of os_hash_value', { ...readOnly, maxLength: 64 }),
    os_hash_value: orNull('Hexadecimal digest of the image contents', { ...readOnly, maxLength: 128 }),
    owner: orNull('Owner of the image', { maxLength: 255 }),
    size: { type: ['null', 'integer'], description: 'Size of the image data in bytes', ...readOnly },
    virtual_size: { type: ['null', 'integer'], description: 'Size of the disk in bytes', ...readOnly },
    container_format: orNull('Format of the container', { enum: [null, ...containerFormats] }),
    disk_format: orNull('Format of the disk', { enum: [null, ...diskFormats] }),
    created_at: text('When the image was registered', readOnly),
    updated_at: text('When the image was last changed', readOnly),
    tags: { type: 'array', description: 'Strings related to the image', items: { type: 'string', maxLength: 255 } },
    self: text('Address of the image', readOnly),
    file: text('Address of the image data', readOnly),
    schema: text('Address of this schema', readOnly),
    direct_url: text('Address of the data in the store', readOnly),
    locations: { type: 'array', description: 'Addresses of the data in the stores', items: { type: 'object' } },
    min_ram: { type: 'integer', description: 'Memory in MiB that is needed to boot the image' },
    min_disk: { type: 'integer', description: 'Disk space in GiB that is needed to boot the image' },
    kernel_id: orNull('Id of the image that holds the kernel'),
    ramdisk_id: orNull('Id of the image that holds the ramdisk'),
  },
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
}

const memberSchema = {
  name: 'member',
  properties: {
    member_id: text('An identifier for the image member (a project)'),
    image_id: text('An identifier for the image'),
    created_at: text('When the member was added', readOnly),
    updated_at: text('When the member was last changed', readOnly),
    status: text('The status of the member', { enum: ['pending', 'accepted', 'rejected'] }),
    schema: text('Address of this schema', readOnly),
  },
}

const listOf = (plural: string, item: object, more: object = {}) => ({
  name: plural,
  properties: {
    [plural]: { type: 'array', items: item },
    first: { type: 'string' },
    next: { type: 'string' },
    schema: { type: 'string' },
    ...more,
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
})

const schemas: Record<string, object> = {
  image: imageSchema,
  images: listOf('images', imageSchema),
  member: memberSchema,
  members: {
    name: 'members',
    properties: { members: { type: 'array', items: memberSchema }, schema: { type: 'string' } },
    links: [{ rel: 'describedby', href: '{schema}' }],
  },
}

export const schemaRoutes = Object.entries(schemas).map(([name, schema]) =>
  route({ method: 'GET', path: `/schemas/${name}`, policy: 'authenticated', handle: async () => schema }),
)
