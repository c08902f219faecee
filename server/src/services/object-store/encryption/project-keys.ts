// Keys of projects, kept in the database: each in versions that are sealed with the key ring 'object'. What is opened is kept
// per process for a minute at most, and forgotten when any process changes a key.
import { randomBytes } from 'node:crypto'
import { and, type Database, type Db, desc, eq, lte, type SQL, type Tx } from '#lib/db.ts'
import { bug, Fault, invalid } from '#lib/fault.ts'
import { isUuid, newId } from '#lib/id.ts'
import { ensureKey, type Key, readKeys } from '#lib/key-ring.ts'
import { openBytes, sealBytes } from '#lib/sealed.ts'
import type { Whose } from '../containers.ts'
import { Tampered } from './format.ts'
import type { KeyKeeper, WhichKey } from './keys.ts'
import { objectKey, type ObjectKey, objectKeyVersion } from './model.ts'
import type { KeyContext } from './sealed.ts'

const topic = 'object-keys'
const keptMs = 60_000
const mostKept = 10_000
/** What SSE-KMS takes where no key is named has the alias that it has at AWS. */
export const defaultKeyName = 'aws/s3'
const storageKeyName = 'pileus/storage'

interface Version {
  version: number
  key: Buffer
}
interface Opened {
  key: ObjectKey
  /** Newest first. */
  versions: Version[]
  readAt: number
}

const keepers = new WeakMap<Database, KeyKeeper>()
/** The one of this process for that database. */
export function projectKeys(db: Database): KeyKeeper {
  let keeper = keepers.get(db)
  if (!keeper) keepers.set(db, (keeper = makeKeeper(db)))
  return keeper
}

function makeKeeper(db: Database): KeyKeeper {
  const kept = new Map<string, Opened>()
  const forget = () => kept.clear()
  db.subscribe(topic, forget, forget)

  /** `asked` is what it is kept under; `where` finds it. */
  async function open(asked: string, where: SQL | undefined): Promise<Opened | undefined> {
    const known = kept.get(asked)
    if (known && Date.now() - known.readAt < keptMs) return known
    const [key] = await db.select().from(objectKey).where(where).limit(1)
    if (!key) return undefined
    const opened = { key, versions: await openVersions(db, key.id), readAt: Date.now() }
    if (kept.size >= mostKept) kept.clear()
    kept.set(asked, opened)
    return opened
  }

  async function find(whose: Whose, which: WhichKey): Promise<Opened> {
    const named = which.purpose === 'storage' ? undefined : which.named && readName(whose, which.named)
    const name = which.purpose === 'storage' ? storageKeyName : (named ?? defaultKeyName)
    const asked = `${whose.region}/${whose.projectId}/${name}`
    const found = await open(asked, ofProject(whose, name))
    if (found) return found
    if (named !== undefined && named !== defaultKeyName) return noKey(name)
    await db.transaction((tx) => ensureProjectKey(tx, whose, name, which.purpose === 'storage' ? 'storage' : 'default'))
    return (await open(asked, ofProject(whose, name))) ?? bug(`key ${name} was made and is not there`)
  }

  return {
    async wrap(whose, which, dataKey, context) {
      const { key, versions } = await find(whose, which)
      requireUsable(key)
      const newest = versions[0] ?? bug(`key ${key.id} has no version`)
      const sealed = sealBytes(dataKey, boundTo(key.id, newest.version, context), newest)
      return { keyId: key.id, keyVersion: newest.version, dataKey: sealed.toString('base64') }
    },
    async unwrap({ keyId, keyVersion, dataKey }, context) {
      let found = await open(keyId, eq(objectKey.id, keyId))
      // a version that another process made this moment
      if (found && !found.versions.some(({ version }) => version === keyVersion)) {
        kept.delete(keyId)
        found = await open(keyId, eq(objectKey.id, keyId))
      }
      if (!found) return invalid('The key of this object was deleted: its bytes cannot be read any more.', destroyed)
      requireUsable(found.key)
      const under = found.versions.find(({ version }) => version === keyVersion)
      if (!under) return bug(`version ${keyVersion} of key ${keyId} is gone`)
      try {
        return openBytes(Buffer.from(dataKey, 'base64'), boundTo(keyId, keyVersion, context), under)
      } catch (error) {
        throw new Tampered('the data key', error)
      }
    },
  }
}

const destroyed = { code: 'KMS.NotFoundException' }

function noKey(name: string): never {
  throw new Fault('invalid', `There is no key ${name} in this project.`, { code: 'KMS.NotFoundException' })
}

function requireUsable(key: ObjectKey): void {
  if (key.deleteAt)
    invalid(`Key ${key.name} is to be deleted: it cannot be used.`, { code: 'KMS.KMSInvalidStateException' })
  if (!key.enabled) invalid(`Key ${key.name} is disabled.`, { code: 'KMS.DisabledException' })
}

/** What a wrapped data key is bound to. The order in which a client names the pairs of a context does not matter. */
export function boundTo(keyId: string, version: number, context: KeyContext): string {
  const pairs = Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(['object data key', keyId, version, pairs])
}

const ofProject = (whose: Whose, nameOrId: string) =>
  and(
    eq(objectKey.region, whose.region),
    eq(objectKey.projectId, whose.projectId),
    isUuid(nameOrId) ? eq(objectKey.id, nameOrId) : eq(objectKey.name, nameOrId),
  )

// A name, an id, alias/<name>, arn:aws:kms:<region>:<project>:key/<id> or …:alias/<name>.
function readName(whose: Whose, text: string): string {
  const arn = /^arn:[^:]*:kms:([^:]*):([^:]*):(key\/|alias\/)(.+)$/.exec(text)
  if (arn && (arn[1] !== whose.region || arn[2] !== whose.projectId)) return noKey(text)
  const name = arn ? arn[4]! : text.replace(/^alias\//, '')
  // the deployment's own key is not one to be named
  return name === storageKeyName ? noKey(text) : name
}

/** How replies name a key. */
export function keyArn(region: string, projectId: string, keyId: string): string {
  return `arn:aws:kms:${region}:${projectId}:key/${keyId}`
}

async function openVersions(db: Db, keyId: string): Promise<Version[]> {
  const [ring, rows] = await Promise.all([
    readKeys(db, 'object'),
    db.select().from(objectKeyVersion).where(eq(objectKeyVersion.keyId, keyId)).orderBy(desc(objectKeyVersion.version)),
  ])
  return rows.map((row) => ({ version: row.version, key: openVersion(row, ring) }))
}

/** The key itself. */
export function openVersion(
  { keyId, version, ringSerial, sealed }: typeof objectKeyVersion.$inferSelect,
  ring: readonly Key[],
): Buffer {
  const under = ring.find(({ serial }) => serial === ringSerial) ?? bug(`object key ring: serial ${ringSerial} is gone`)
  return openBytes(Buffer.from(sealed), `${keyId}/${version}`, under)
}

/** The same version sealed with the newest key of the ring. */
export function sealVersion(key: Buffer, keyId: string, version: number, ring: readonly Key[]) {
  const newest = ring[0] ?? bug('there is no object key ring')
  return { ringSerial: newest.serial, sealed: sealBytes(key, `${keyId}/${version}`, newest) }
}

/** Makes the key with its first version; does nothing when the project has one of that name. Returns its id if it is new. */
export async function ensureProjectKey(
  tx: Tx,
  whose: Whose,
  name: string,
  purpose: ObjectKey['purpose'],
  description = '',
): Promise<string | undefined> {
  const id = newId()
  const [made] = await tx
    .insert(objectKey)
    .values({ id, ...whose, name, purpose, description })
    .onConflictDoNothing()
    .returning({ id: objectKey.id })
  if (!made) return undefined
  await ensureKey(tx, 'object')
  await addVersion(tx, id, 1)
  return id
}

/** A new version of a key: what is wrapped from now on is wrapped under it. */
export async function addVersion(tx: Tx, keyId: string, version: number): Promise<void> {
  const ring = await readKeys(tx, 'object')
  await tx.insert(objectKeyVersion).values({ keyId, version, ...sealVersion(randomBytes(32), keyId, version, ring) })
}

/** Every process reads its keys anew. */
export async function keysChanged(tx: Tx): Promise<void> {
  await tx.publish(topic, 'changed')
}

/** Destroys the keys whose time has come: what they encrypted cannot be read any more, by anybody. */
export async function destroyDueKeys(db: Database): Promise<ObjectKey[]> {
  const due = lte(objectKey.deleteAt, new Date())
  const [any] = await db.select({ id: objectKey.id }).from(objectKey).where(due).limit(1)
  if (!any) return []
  return db.transaction(async (tx) => {
    const gone = await tx.delete(objectKey).where(due).returning()
    await keysChanged(tx)
    return gone
  })
}
