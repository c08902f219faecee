// An object becomes visible: all of it at once, in one transaction.
import { randomInt } from 'node:crypto'
import { type SQL, sql, type Tx } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import type { Container, Extent, Manifest, StoredObject } from '../model.ts'
import type { EventName } from '../notification/rules.ts'
import { tell, type Telling } from '../notification/tell.ts'
import { defaultLock } from '../object-lock.ts'
import { holdBlobs, releaseBlobs } from './blobs.ts'
import type { Received } from './bytes.ts'
import { lockName } from './lock.ts'
import { findObject } from './read.ts'
import { billed, keepNumbered, keepVersion } from './versions.ts'

/** What an object is besides its bytes. */
export interface ObjectFacts {
  contentType: string
  metadata: Record<string, string>
  headers: Record<string, string>
  kind?: StoredObject['kind']
  manifest?: Manifest | null
  deleteAt?: Date | null
  tags?: Record<string, string> | null
  acl?: StoredObject['acl']
  lock?: StoredObject['lock']
}

/** A condition that is asked about the object that is there, under the lock that keeps other writers away. */
export type Before = (current: StoredObject | undefined) => void

const json = (value: unknown): SQL => sql`${JSON.stringify(value)}::text::jsonb`
const jsonOrNull = (value: unknown): SQL => (value ? json(value) : sql`null::jsonb`)

/**
 * Makes `bytes` the object of that name: all of it or, when another writer was later, nothing of it. Throws notFound when
 * the container is gone. `shared`: the bytes belong to another object too (a copy); `held`: they are
 * counted already, and become this object's. `event`: how it came, for those who are told.
 */
export async function putObject(
  tx: Tx,
  container: Pick<Container, 'id' | 'name' | 'versions'> & Telling & Partial<Pick<Container, 'objectLock'>>,
  name: string,
  bytes: Received,
  facts: ObjectFacts,
  options: { before?: Before; shared?: boolean; held?: boolean; event?: EventName } = {},
): Promise<{ version: number; modifiedAt: Date }> {
  const lock = facts.lock ?? defaultLock(container.objectLock ?? null, new Date())
  if (lock && facts.deleteAt) invalid('What is locked cannot be told when to go.', { code: '409' })
  await lockName(tx, container.id, name)
  if (options.before) options.before(await findObject(tx, container.id, name))
  if (container.versions === 'enabled') await keepVersion(tx, container.id, name)
  if (container.versions === 'suspended') await keepNumbered(tx, container.id, name)
  if (bytes.extents && !options.held) await holdBlobs(tx, bytes.extents, options.shared ?? false)
  const [row] = await tx.rows<{ version: string; old_extents: Extent[] | null }>(sql`
    with old as materialized (
      select version, ${billed} as size, extents from object where container_id = ${container.id} and name = ${name}
    ), at as materialized (
      select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, (select version + 1 from old)) as version
    ), made as (
      insert into object (container_id, name, version, size, etag, content_type, metadata, headers, kind, manifest,
        checksums, delete_at, modified_at, data, extents, storage_class, sealed, tags, acl, lock, unversioned)
      select ${container.id}, ${name}, at.version, ${bytes.size}::bigint, ${bytes.etag}, ${facts.contentType},
        ${json(facts.metadata)}, ${json(facts.headers)}, ${facts.kind ?? 'plain'},
        ${jsonOrNull(facts.manifest)}, ${json(bytes.checksums)},
        ${facts.deleteAt?.toISOString() ?? null}::timestamptz, to_timestamp(at.version / 1000000.0),
        ${bytes.data}::bytea, ${jsonOrNull(bytes.extents)},
        ${bytes.storageClass}, ${jsonOrNull(bytes.sealed)}, ${jsonOrNull(facts.tags)}, ${jsonOrNull(facts.acl)},
        ${jsonOrNull(lock)}, ${container.versions !== 'enabled'}::boolean
      from at where exists (select from object_container where id = ${container.id})
      on conflict (container_id, name) do update set version = excluded.version, size = excluded.size,
        etag = excluded.etag, content_type = excluded.content_type, metadata = excluded.metadata,
        headers = excluded.headers, kind = excluded.kind, manifest = excluded.manifest,
        checksums = excluded.checksums, delete_at = excluded.delete_at, modified_at = excluded.modified_at,
        data = excluded.data, extents = excluded.extents, storage_class = excluded.storage_class,
        sealed = excluded.sealed, tags = excluded.tags, acl = excluded.acl, lock = excluded.lock,
        unversioned = excluded.unversioned
      returning version
    ), used as (
      insert into object_usage (container_id, shard, objects, bytes)
      select ${container.id}, ${randomInt(16)}::smallint, 1 - (select count(*) from old),
        ${facts.kind === 'slo' ? 0 : bytes.size}::bigint - coalesce((select size from old), 0) from made
      on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects,
        bytes = object_usage.bytes + excluded.bytes
    )
    select made.version, (select extents from old) as old_extents from made`)
  if (!row) notFound('Container', container.name)
  if (row.old_extents) await releaseBlobs(tx, row.old_extents)
  const version = Number(row.version)
  if (container.notification) {
    const { size, etag } = bytes
    await tell(tx, container, { event: options.event ?? 'ObjectCreated:Put', key: name, size, etag, version })
  }
  return { version, modifiedAt: new Date(version / 1000) }
}
