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
import { lockName } from './lock.ts'
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
  const [made] = await db.atOnce<Made>(putStatement(container, name, bytes, facts, 'what holds no blobs'))
  return made && asPut(made)
}

const asPut = ({ version }: Made): Put => ({ version: Number(version), modifiedAt: new Date(Number(version) / 1000) })

const text = `
  select made_version as version, old_extents from put_object(container => $1, name => $2, size => $3, etag => $4,
    content_type => $5, metadata => $6::text::jsonb, headers => $7::text::jsonb, kind => $8, manifest => $9::text::jsonb,
    checksums => $10::text::jsonb, delete_at => $11::text::timestamptz, data => $12, extents => $13::text::jsonb,
    storage_class => $14, sealed => $15::text::jsonb, tags => $16::text::jsonb, acl => $17::text::jsonb,
    lock => $18::text::jsonb, unversioned => $19, over_anything => $20, usage_shard => $21)
  where made_version is not null`

/** See put_object in the migrations. */
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
      ...[json(bytes.sealed), json(tags), json(acl), json(lock)],
      ...[container.versions !== 'enabled', over === 'anything', randomInt(16)],
    ],
  }
}
