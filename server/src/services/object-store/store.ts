// The life of an object: bytes in, visible at once and whole; bytes out; away. Both APIs are written over this.
import { createHash, randomInt } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Config } from '#lib/config.ts'
import { type Db, eq, first, type SQL, sql, type Tx } from '#lib/db.ts'
import { Fault, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import type { Backend } from './backend/contract.ts'
import { diskBackend } from './backend/disk.ts'
import {
  type Container,
  type Extent,
  type Manifest,
  objectBlob,
  objectGarbage,
  storedObject,
  type StoredObject,
} from './model.ts'

/** Bytes up to this size stand in the object's row: one write for the data and all that is said about it. */
export const inlineBytes = 16 * 1024

const backends = new Map<string, Backend>()
export function backendOf(config: Config): Backend {
  const dir = join(config.data, 'objects')
  let backend = backends.get(dir)
  if (!backend) backends.set(dir, (backend = diskBackend(dir)))
  return backend
}

/** Bytes that were taken in, durable at the backend (or about to be in the row), and not yet anybody's. */
export interface Received {
  size: number
  etag: string
  data: Buffer | null
  extents: Extent[] | null
}
export const emptyBytes: Received = {
  size: 0,
  etag: createHash('md5').digest('hex'),
  data: Buffer.alloc(0),
  extents: null,
}

/** Takes bytes in. Whoever calls it stores them in an object or gives them back with `discard`. */
export async function receive(world: World, data: AsyncIterable<Buffer>): Promise<Received> {
  const md5 = createHash('md5')
  const head: Buffer[] = []
  let size = 0
  const source = data[Symbol.asyncIterator]()
  let more = true
  while (more && size <= inlineBytes) {
    const got = await source.next()
    if (got.done) more = false
    else {
      head.push(got.value)
      size += got.value.length
      md5.update(got.value)
    }
  }
  if (!more && size <= inlineBytes)
    return { size, etag: md5.digest('hex'), data: head.length === 1 ? head[0]! : Buffer.concat(head), extents: null }
  const blob = newId()
  async function* all(): AsyncIterable<Buffer> {
    yield* head
    for (;;) {
      const got = await source.next()
      if (got.done) return
      size += got.value.length
      md5.update(got.value)
      yield got.value
    }
  }
  await backendOf(world.config).write(blob, all())
  return { size, etag: md5.digest('hex'), data: null, extents: [{ blob, size }] }
}

/** Gives back bytes that no object came to hold. */
export async function discard(world: World, received: Pick<Received, 'extents'>): Promise<void> {
  for (const { blob } of received.extents ?? []) await backendOf(world.config).remove(blob)
}

/** What an object is besides its bytes. */
export interface ObjectFacts {
  contentType: string
  metadata: Record<string, string>
  headers: Record<string, string>
  kind?: StoredObject['kind']
  manifest?: Manifest | null
  checksums?: Record<string, string>
  deleteAt?: Date | null
}

/** A condition that is asked about the object that is there, under the lock that keeps other writers away. */
export type Before = (current: StoredObject | undefined) => void

const live = sql`(delete_at is null or delete_at > now())`
// the bytes of a static large object count where its segments lie
const billed = sql`case when kind = 'slo' then 0 else size end`
const json = (value: unknown): SQL => sql`${JSON.stringify(value)}::text::jsonb`

/** Keeps other writers of this name, and the deletion of its container, away until the transaction ends. */
export async function lockName(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock_shared(7004, ${containerId}::int),
    pg_advisory_xact_lock(7005, hashtext(${`${containerId}/${name}`}))`)
}

/** The object as it is now; undefined too when its time is over. */
export async function findObject(db: Db, containerId: number, name: string): Promise<StoredObject | undefined> {
  return first(
    await db
      .select()
      .from(storedObject)
      .where(sql`${storedObject.containerId} = ${containerId} and ${storedObject.name} = ${name} and ${live}`)
      .limit(1),
  )
}

/**
 * Makes `bytes` the object of that name: all of it or, when another writer was later, nothing of it. Throws notFound when
 * the container is gone. `shared`: the bytes belong to another object too (a copy).
 */
export async function putObject(
  tx: Tx,
  container: Pick<Container, 'id' | 'name' | 'versions'>,
  name: string,
  bytes: Received,
  facts: ObjectFacts,
  options: { before?: Before; shared?: boolean } = {},
): Promise<{ version: number; modifiedAt: Date }> {
  await lockName(tx, container.id, name)
  if (options.before) options.before(await findObject(tx, container.id, name))
  if (container.versions === 'enabled') await keepVersion(tx, container.id, name)
  if (bytes.extents) await holdBlobs(tx, bytes.extents, options.shared ?? false)
  const [row] = await tx.rows<{ version: string; old_extents: Extent[] | null }>(sql`
    with old as materialized (
      select version, ${billed} as size, extents from object where container_id = ${container.id} and name = ${name}
    ), at as materialized (
      select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, (select version + 1 from old)) as version
    ), made as (
      insert into object (container_id, name, version, size, etag, content_type, metadata, headers, kind, manifest,
        checksums, delete_at, modified_at, data, extents)
      select ${container.id}, ${name}, at.version, ${bytes.size}::bigint, ${bytes.etag}, ${facts.contentType},
        ${json(facts.metadata)}, ${json(facts.headers)}, ${facts.kind ?? 'plain'},
        ${facts.manifest ? json(facts.manifest) : sql`null::jsonb`}, ${json(facts.checksums ?? {})},
        ${facts.deleteAt?.toISOString() ?? null}::timestamptz, to_timestamp(at.version / 1000000.0),
        ${bytes.data}::bytea, ${bytes.extents ? json(bytes.extents) : sql`null::jsonb`}
      from at where exists (select from object_container where id = ${container.id})
      on conflict (container_id, name) do update set version = excluded.version, size = excluded.size,
        etag = excluded.etag, content_type = excluded.content_type, metadata = excluded.metadata,
        headers = excluded.headers, kind = excluded.kind, manifest = excluded.manifest,
        checksums = excluded.checksums, delete_at = excluded.delete_at, modified_at = excluded.modified_at,
        data = excluded.data, extents = excluded.extents
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
  return { version, modifiedAt: new Date(version / 1000) }
}

/** Removes the object and returns it; undefined when it is not there (a mark is made all the same, where versions are kept). */
export async function removeObject(
  tx: Tx,
  container: Pick<Container, 'id' | 'versions'>,
  name: string,
  before?: Before,
): Promise<StoredObject | undefined> {
  await lockName(tx, container.id, name)
  const found = await findObject(tx, container.id, name)
  before?.(found)
  if (container.versions === 'enabled') {
    await keepVersion(tx, container.id, name)
    await tx.rows(sql`
      insert into object_version (container_id, name, version, size, etag, content_type, modified_at, delete_marker)
      select ${container.id}, ${name}, v, 0, ${emptyBytes.etag}, 'application/x-deleted;swift_versions_deleted=1',
        to_timestamp(v / 1000000.0), true
      from (select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, max(version) + 1) as v
        from object_version where container_id = ${container.id} and name = ${name}) last`)
    return found
  }
  const [row] = await tx.rows<{ size: string; extents: Extent[] | null }>(sql`
    with gone as (delete from object where container_id = ${container.id} and name = ${name} returning ${billed} as size, extents),
    used as (
      insert into object_usage (container_id, shard, objects, bytes)
      select ${container.id}, ${randomInt(16)}::smallint, -1, -size from gone
      on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects,
        bytes = object_usage.bytes + excluded.bytes
    ) select size, extents from gone`)
  if (row?.extents) await releaseBlobs(tx, row.extents)
  return found
}

// The bytes of older versions count as used, the versions not as objects.
async function keepVersion(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.rows(sql`
    with moved as (delete from object where container_id = ${containerId} and name = ${name} returning *),
    kept as (insert into object_version select moved.*, false from moved)
    insert into object_usage (container_id, shard, objects, bytes)
    select ${containerId}, ${randomInt(16)}::smallint, -1, 0 from moved
    on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects`)
}

/** Removes one older version for good. False when it is not there. */
export async function removeVersion(tx: Tx, containerId: number, name: string, version: number): Promise<boolean> {
  await lockName(tx, containerId, name)
  const [row] = await tx.rows<{ extents: Extent[] | null }>(sql`
    with gone as (delete from object_version
      where container_id = ${containerId} and name = ${name} and version = ${version} returning ${billed} as size, extents),
    used as (
      insert into object_usage (container_id, shard, objects, bytes)
      select ${containerId}, ${randomInt(16)}::smallint, 0, -size from gone
      on conflict (container_id, shard) do update set bytes = object_usage.bytes + excluded.bytes
    ) select extents from gone`)
  if (row?.extents) await releaseBlobs(tx, row.extents)
  return row !== undefined
}

async function holdBlobs(tx: Tx, extents: Extent[], shared: boolean): Promise<void> {
  if (!shared) {
    await tx.insert(objectBlob).values(extents.map(({ blob, size }) => ({ id: blob, size, refs: 1 })))
    return
  }
  // in one order everywhere, so that two copies never wait for each other
  for (const { blob } of extents.toSorted((a, b) => (a.blob < b.blob ? -1 : 1))) {
    const held = await tx
      .update(objectBlob)
      .set({ refs: sql`${objectBlob.refs} + 1` })
      .where(eq(objectBlob.id, blob))
      .returning({ id: objectBlob.id })
    if (held.length === 0) throw new Fault('conflict', 'The object was replaced while it was copied; try again.')
  }
}

async function releaseBlobs(tx: Tx, extents: Extent[]): Promise<void> {
  for (const { blob } of extents.toSorted((a, b) => (a.blob < b.blob ? -1 : 1))) {
    const [less] = await tx
      .update(objectBlob)
      .set({ refs: sql`${objectBlob.refs} - 1` })
      .where(eq(objectBlob.id, blob))
      .returning({ refs: objectBlob.refs })
    if (less?.refs !== 0) continue
    await tx.delete(objectBlob).where(eq(objectBlob.id, blob))
    await tx.insert(objectGarbage).values({ id: blob }).onConflictDoNothing()
    tx.afterCommit(() => garbageHeard?.())
  }
}

let garbageHeard: (() => void) | undefined
/** Called, in this process, whenever there is garbage to collect; see sweep.ts. */
export function onGarbage(heard: () => void): void {
  garbageHeard = heard
}

/** Bytes `start` to `end`, both inclusive. Throws BlobMissing when the row that was read is older than its bytes' removal. */
export async function readBytes(
  world: World,
  from: Pick<StoredObject, 'data' | 'extents' | 'size'>,
  start: number,
  end: number,
): Promise<Buffer | Readable> {
  if (from.size === 0 || end < start) return Buffer.alloc(0)
  if (from.data) return from.data.subarray(start, end + 1)
  const wanted: { blob: string; start: number; end: number }[] = []
  let at = 0
  for (const { blob, size } of from.extents ?? []) {
    const [low, high] = [Math.max(start - at, 0), Math.min(end - at, size - 1)]
    if (low <= high) wanted.push({ blob, start: low, end: high })
    at += size
  }
  const backend = backendOf(world.config)
  const opened = await backend.read(wanted[0]!.blob, wanted[0])
  if (wanted.length === 1) return opened
  async function* all(): AsyncIterable<Buffer> {
    yield* opened as AsyncIterable<Buffer>
    for (const next of wanted.slice(1)) yield* (await backend.read(next.blob, next)) as AsyncIterable<Buffer>
  }
  return Readable.from(all(), { objectMode: false })
}
