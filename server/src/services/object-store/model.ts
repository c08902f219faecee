// Rows: containers hold objects, an object is a name with a version and its bytes: in the row, or in blobs at the backend.
import {
  bigint,
  boolean,
  bytea,
  getColumns,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  sql,
  text,
  timestamp,
  uuid,
} from '#lib/db.ts'
import type { BlobSeal, DefaultEncryption, Sealed } from './encryption/sealed.ts'
import type { Notification } from './notification/rules.ts'
import type { Acl } from './sharing/acl.ts'
import type { Sharing } from './sharing/sharing.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
type Texts = Record<string, string>

/** The class of bytes that nobody said anything about. */
export const standard = 'STANDARD'

/** A piece of an object's bytes, in order: the whole of a blob. */
export interface Extent {
  blob: string
  /** Of the bytes as the client knows them: enciphered, the blob may be larger. */
  size: number
  backend: string
  sealed?: BlobSeal
}
/** One segment of a static large object, by name: it is read when the object is. */
export interface Segment {
  path: string
  size: number
  etag: string
  contentType: string
  modified: string
  range?: string
  /** Of a segment that is itself a static large object. */
  slo?: boolean
  /** Bytes that stand in the manifest itself, base64. */
  data?: string
}
/** Where a symlink points: an account, a container and an object; with an etag it is a static one. */
export interface LinkTarget {
  account: string
  path: string
  etag?: string
  size?: number
}
/** What an object that comes in parts is to be besides its bytes. */
export interface UploadFacts {
  contentType: string
  metadata: Texts
  headers: Texts
  tags?: Texts | null
  acl?: Acl | null
  lock?: ObjectLock | null
}
/** What a bucket with object lock gives to every new object. */
export interface LockRule {
  mode: LockMode
  days: number
}
export interface ContainerLock {
  rule?: LockRule
}
export type LockMode = 'GOVERNANCE' | 'COMPLIANCE'
/** Until when (ISO 8601) an object's version can be neither removed nor replaced, and whether somebody holds it besides. */
export interface ObjectLock {
  mode?: LockMode | undefined
  until?: string | undefined
  hold?: boolean | undefined
}
/** A part that an object was uploaded in. */
export interface PartFacts {
  number: number
  size: number
  checksum?: string
}
export type Manifest = { segments: Segment[] } | { target: LinkTarget } | { upload: string; parts: PartFacts[] }

export const objectAccount = pgTable(
  'object_account',
  {
    region: text().notNull(),
    projectId: text('project_id').notNull(),
    metadata: jsonb().$type<Texts>().notNull().default({}),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.region, t.projectId] })],
)
export type Account = typeof objectAccount.$inferSelect

export const objectContainer = pgTable('object_container', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  name: text().notNull(),
  metadata: jsonb().$type<Texts>().notNull().default({}),
  readAcl: text('read_acl'),
  writeAcl: text('write_acl'),
  versions: text({ enum: ['enabled', 'suspended', 'stack', 'history'] }),
  versionsLocation: text('versions_location'),
  storageClass: text('storage_class'),
  encryption: jsonb().$type<DefaultEncryption>(),
  sharing: jsonb().$type<Sharing>(),
  objectLock: jsonb('object_lock').$type<ContainerLock>(),
  notification: jsonb().$type<Notification>(),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})
export type Container = typeof objectContainer.$inferSelect

export const objectUsage = pgTable(
  'object_usage',
  {
    containerId: bigint('container_id', { mode: 'number' }).notNull(),
    shard: smallint().notNull(),
    objects: bigint({ mode: 'number' }).notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.containerId, t.shard] })],
)

const objectColumns = () => ({
  containerId: bigint('container_id', { mode: 'number' }).notNull(),
  name: text().notNull(),
  version: bigint({ mode: 'number' }).notNull(),
  size: bigint({ mode: 'number' }).notNull(),
  etag: text().notNull(),
  contentType: text('content_type').notNull(),
  metadata: jsonb().$type<Texts>().notNull().default({}),
  headers: jsonb().$type<Texts>().notNull().default({}),
  kind: text({ enum: ['plain', 'slo', 'symlink'] })
    .notNull()
    .default('plain'),
  manifest: jsonb().$type<Manifest>(),
  checksums: jsonb().$type<Texts>().notNull().default({}),
  deleteAt: moment('delete_at'),
  modifiedAt: moment('modified_at').notNull(),
  data: bytea(),
  extents: jsonb().$type<Extent[]>(),
  storageClass: text('storage_class').notNull().default(standard),
  sealed: jsonb().$type<Sealed>(),
  tags: jsonb().$type<Texts>(),
  acl: jsonb().$type<Acl>(),
  lock: jsonb().$type<ObjectLock>(),
  /** Written while its container kept no versions: S3's null version. */
  unversioned: boolean().notNull().default(false),
})

export const storedObject = pgTable('object', objectColumns(), (t) => [
  primaryKey({ columns: [t.containerId, t.name] }),
])
export type StoredObject = typeof storedObject.$inferSelect
/** The columns that an object and an older version have in common; their order differs from table to table. */
export const columns = sql.raw(
  Object.values(getColumns(storedObject))
    .map(({ name }) => `"${name}"`)
    .join(', '),
)

export const objectVersion = pgTable(
  'object_version',
  { ...objectColumns(), deleteMarker: boolean('delete_marker').notNull().default(false) },
  (t) => [primaryKey({ columns: [t.containerId, t.name, t.version] })],
)
export type ObjectVersion = typeof objectVersion.$inferSelect

export const objectBlob = pgTable('object_blob', {
  id: uuid().primaryKey(),
  size: bigint({ mode: 'number' }).notNull(),
  refs: integer().notNull(),
  backend: text().notNull(),
})
export const objectGarbage = pgTable('object_garbage', {
  id: uuid().primaryKey(),
  since: moment('since').notNull().defaultNow(),
  backend: text().notNull(),
})

/** What a bucket says about itself that is seldom asked; one row for each kind. */
export const bucketSetting = pgTable(
  'object_bucket_setting',
  {
    containerId: bigint('container_id', { mode: 'number' }).notNull(),
    kind: text().notNull(),
    value: jsonb().$type<unknown>().notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
    ranAt: moment('ran_at'),
  },
  (t) => [primaryKey({ columns: [t.containerId, t.kind] })],
)

/** Names by which buckets are found from outside their project. */
export const bucketName = pgTable(
  'object_bucket_name',
  {
    region: text().notNull(),
    name: text().notNull(),
    containerId: bigint('container_id', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.region, t.name] })],
)
/** An upload in parts, not completed. */
export const objectUpload = pgTable('object_upload', {
  id: uuid().primaryKey(),
  containerId: bigint('container_id', { mode: 'number' }).notNull(),
  name: text().notNull(),
  initiator: text().notNull(),
  facts: jsonb().$type<UploadFacts>().notNull(),
  storageClass: text('storage_class').notNull(),
  checksum: jsonb().$type<{ algorithm: string; type: 'COMPOSITE' | 'FULL_OBJECT' }>(),
  sealed: jsonb().$type<Sealed>(),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Upload = typeof objectUpload.$inferSelect

export const objectPart = pgTable(
  'object_part',
  {
    uploadId: uuid('upload_id').notNull(),
    number: integer().notNull(),
    size: bigint({ mode: 'number' }).notNull(),
    etag: text().notNull(),
    checksums: jsonb().$type<Texts>().notNull().default({}),
    extents: jsonb().$type<Extent[]>().notNull(),
    modifiedAt: moment('modified_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.uploadId, t.number] })],
)
export type Part = typeof objectPart.$inferSelect

export const objectScrub = pgTable('object_scrub', {
  pass: text().primaryKey(),
  owner: uuid().notNull(),
  leasedUntil: moment('leased_until').notNull(),
  at: uuid().notNull(),
  roundEndedAt: moment('round_ended_at'),
})
export const objectDamage = pgTable('object_damage', {
  blob: uuid().primaryKey(),
  backend: text().notNull(),
  problem: text({ enum: ['missing', 'corrupt'] }).notNull(),
  foundAt: moment('found_at').notNull().defaultNow(),
})
