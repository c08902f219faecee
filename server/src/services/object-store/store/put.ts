// An object becomes visible: all of it at once, in one transaction.
import { randomInt } from 'node:crypto'
import type { Database, Statement, Tx } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import type { Container, Extent, Manifest, StoredObject } from '../model.ts'
import type { EventName } from '../notification/rules.ts'
import { tell, type Telling } from '../notification/tell.ts'
import { defaultLock } from '../object-lock.ts'
import { holdBlobs, releaseBlobs } from './blobs.ts'
import type { Received } from './bytes.ts'
import { lockName, lockStatement } from './lock.ts'
import { findObject } from './read.ts'
import { keepNumbered, keepVersion } from './versions.ts'

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

interface Made {
  version: string
  old_extents: Extent[] | null
}
export interface Put {
  version: number
  modifiedAt: Date
}

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
): Promise<Put> {
  const lock = facts.lock ?? defaultLock(container.objectLock ?? null, new Date())
  if (lock && facts.deleteAt) invalid('What is locked cannot be told when to go.', { code: '409' })
  await lockName(tx, container.id, name)
  if (options.before) options.before(await findObject(tx, container.id, name))
  if (container.versions === 'enabled') await keepVersion(tx, container.id, name)
  if (container.versions === 'suspended') await keepNumbered(tx, container.id, name)
  if (bytes.extents && !options.held) await holdBlobs(tx, bytes.extents, options.shared ?? false)
  const [made] = await tx.run<Made>(putStatement(container, name, bytes, { ...facts, lock }, 'anything'))
  if (!made) notFound('Container', container.name)
  if (made.old_extents) await releaseBlobs(tx, made.old_extents)
  const put = asPut(made)
  if (container.notification) {
    const { size, etag } = bytes
    const event = options.event ?? 'ObjectCreated:Put'
    await tell(tx, container, { event, key: name, size, etag, version: put.version })
  }
  return put
}

/**
 * The same in one round trip, for bytes that stand in the row where nothing is asked of the object that was there. Undefined
 * when it is not so simple (there are blobs to give back; the container is gone, keeps versions, locks, or tells others):
 * then nothing was done.
 */
export async function putAtOnce(
  db: Database,
  container: Pick<Container, 'id' | 'versions' | 'objectLock' | 'notification'>,
  name: string,
  bytes: Received,
  facts: ObjectFacts,
): Promise<Put | undefined> {
  if (bytes.extents || container.versions || container.objectLock || container.notification) return undefined
  const put = putStatement(container, name, bytes, facts, 'what holds no blobs')
  const [, [made]] = (await db.atOnce([lockStatement(container.id, name), put])) as [unknown, Made[]]
  return made && asPut(made)
}

const asPut = ({ version }: Made): Put => ({ version: Number(version), modifiedAt: new Date(Number(version) / 1000) })

// Of a container that keeps versions by now nothing is overwritten, unless the caller has seen to them.
const text = `
  with old as materialized (
    select version, case when kind = 'slo' then 0 else size end as size, extents
    from object where container_id = $1 and name = $2
  ), at as materialized (
    select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, (select version + 1 from old)) as version
  ), made as (
    insert into object (container_id, name, version, size, etag, content_type, metadata, headers, kind, manifest,
      checksums, delete_at, modified_at, data, extents, storage_class, sealed, tags, acl, lock, unversioned)
    select $1::bigint, $2, at.version, $3::bigint, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9::text::jsonb,
      $10::text::jsonb, $11::text::timestamptz, to_timestamp(at.version / 1000000.0), $12::bytea, $13::text::jsonb, $14,
      $15::text::jsonb, $19::text::jsonb, $20::text::jsonb, $21::text::jsonb, $22::boolean
    from at where exists (select from object_container where id = $1 and ($16 or (versions is null and notification is null)))
      and ($16 or not exists (select from old where extents is not null))
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
    select $1, $17::smallint, 1 - (select count(*) from old), $18::bigint - coalesce((select size from old), 0) from made
    on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects,
      bytes = object_usage.bytes + excluded.bytes
  )
  select made.version, (select extents from old) as old_extents from made`

function putStatement(
  container: Pick<Container, 'id' | 'versions'>,
  name: string,
  bytes: Received,
  { contentType, metadata, headers, kind = 'plain', manifest, deleteAt, tags, acl, lock }: ObjectFacts,
  over: 'anything' | 'what holds no blobs',
): Statement {
  const json = (value: unknown) => (value ? JSON.stringify(value) : null)
  return {
    text,
    values: [
      ...[container.id, name, bytes.size, bytes.etag, contentType, json(metadata), json(headers), kind, json(manifest)],
      ...[json(bytes.checksums), deleteAt?.toISOString() ?? null, bytes.data, json(bytes.extents), bytes.storageClass],
      ...[json(bytes.sealed), over === 'anything', randomInt(16), kind === 'slo' ? 0 : bytes.size],
      ...[json(tags), json(acl), json(lock), container.versions !== 'enabled'],
    ],
  }
}
