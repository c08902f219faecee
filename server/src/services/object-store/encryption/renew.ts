// A change of keys: the ring has a new key, every key of a project a new version, and the data keys of all objects are wrapped
// anew. No object's bytes are touched and none becomes unreadable: what is old goes only when nothing refers to it any more,
// and then an hour later, by the next change of keys.
import { Type } from 'typebox'
import { and, type Db, eq, isNotNull, ne, sql, type Tx } from '#lib/db.ts'
import { addKey, dropOldKeys, ensureKey, readKeys } from '#lib/key-ring.ts'
import { again, done, next, type Outcome, type Run, startTask, task } from '#lib/task.ts'
import { objectUpload } from '../model.ts'
import { objectKeyRenewal, objectKeyVersion } from './model.ts'
import { addVersion, keysChanged, openVersion, sealVersion } from './project-keys.ts'
import type { Sealed } from './sealed.ts'
import { allVersions, wrapAnew } from './wrap-anew.ts'

const hourMs = 3_600_000
const keyBatch = 200
const rowBatch = 1000
const damaged = 'a data key is damaged: what it encrypts could not be read before either'

const Input = Type.Object({ ringSerial: Type.Integer() })
type Renewing = Run<{ ringSerial: number }>

/** Adds a key to the ring; once that commits, a task makes everything follow. */
export async function rotateObjectKeys(tx: Tx, region: string): Promise<void> {
  await ensureKey(tx, 'object')
  const ringSerial = await addKey(tx, 'object')
  await startTask(tx, objectKeysRenew, { ringSerial }, { key: `object-keys:${ringSerial}`, region })
}

export const objectKeysRenew = task({
  kind: 'object-keys.renew',
  input: Input,
  deadline: '168h',
  steps: { addVersions, sealVersions, wrapUploads, wrapDataKeys, retire },
  // what was not reached is still readable; the next change of keys begins again
  failed: (tx, { ringSerial }) => tx.delete(objectKeyRenewal).where(eq(objectKeyRenewal.ringSerial, ringSerial)),
})

// Keys whose newest version was made before the ring's newest key get a new one.
async function addVersions({ db }: Renewing): Promise<Outcome> {
  const [ring] = await readKeys(db, 'object')
  const rows = await db.rows<{ key_id: string; version: number }>(sql`
    select key_id, version from (
      select distinct on (key_id) key_id, version, ring_serial from object_key_version order by key_id, version desc
    ) newest where ring_serial <> ${ring!.serial} limit ${keyBatch}`)
  if (rows.length === 0) return next()
  return again(0, async (tx) => {
    // whoever does the same at the same time has done it
    for (const { key_id, version } of rows) await addVersion(tx, key_id, version + 1)
    await keysChanged(tx)
  })
}

// Older versions are sealed with the ring's newest key, so that its older ones can go.
async function sealVersions({ db }: Renewing): Promise<Outcome> {
  const ring = await readKeys(db, 'object')
  const rows = await db
    .select()
    .from(objectKeyVersion)
    .where(ne(objectKeyVersion.ringSerial, ring[0]!.serial))
    .limit(keyBatch)
  if (rows.length === 0) return next()
  return again(0, async (tx) => {
    for (const row of rows)
      await tx
        .update(objectKeyVersion)
        .set(sealVersion(openVersion(row, ring), row.keyId, row.version, ring))
        .where(and(eq(objectKeyVersion.keyId, row.keyId), eq(objectKeyVersion.version, row.version)))
  })
}

// Uploads in parts come before objects: what is completed from now on has the new wrapping.
async function wrapUploads({ db, log }: Renewing): Promise<Outcome> {
  const keys = await allVersions(db)
  const rows = await db
    .select({ id: objectUpload.id, sealed: objectUpload.sealed })
    .from(objectUpload)
    .where(isNotNull(objectUpload.sealed))
  return next(async (tx) => {
    for (const { id, sealed } of rows) {
      const anew = wrapAnew(sealed, keys, (error) => log.error({ err: error, upload: id }, damaged))
      if (!anew) continue
      const asRead = sql`${objectUpload.sealed} = ${JSON.stringify(sealed)}::text::jsonb`
      await tx
        .update(objectUpload)
        .set({ sealed: anew })
        .where(and(eq(objectUpload.id, id), asRead))
    }
  })
}

interface Place {
  source: 'object' | 'object_version'
  containerId: number
  name: string
  version: number
}
interface Row {
  container_id: string
  name: string
  version: string
  sealed: Sealed | null
}

/** Walks along all rows, a batch in a transaction that also says how far it is: who takes over goes on from there. */
async function wrapDataKeys({ db, input, signal, log }: Renewing): Promise<Outcome> {
  const { ringSerial } = input
  const [known] = await db.select().from(objectKeyRenewal).where(eq(objectKeyRenewal.ringSerial, ringSerial))
  let at: Place = known ?? { source: 'object', containerId: 0, name: '', version: 0 }
  const keys = await allVersions(db)
  while (!signal.aborted) {
    const rows = await readBatch(db, at)
    const last = rows.at(-1)
    if (last) at = { ...at, containerId: Number(last.container_id), name: last.name, version: Number(last.version) }
    else if (at.source === 'object') at = { source: 'object_version', containerId: 0, name: '', version: 0 }
    else return next((tx) => tx.delete(objectKeyRenewal).where(eq(objectKeyRenewal.ringSerial, ringSerial)))
    const changes = rows.flatMap(({ sealed, ...row }): Change[] => {
      const anew = wrapAnew(sealed, keys, (error) => {
        log.error({ err: error, container: row.container_id, object: row.name }, damaged)
      })
      return sealed && anew ? [{ ...row, old: sealed, new: anew }] : []
    })
    await db.transaction(async (tx) => {
      await replace(tx, at.source, changes)
      await tx
        .insert(objectKeyRenewal)
        .values({ ringSerial, ...at })
        .onConflictDoUpdate({ target: objectKeyRenewal.ringSerial, set: at })
    })
  }
  return again(0)
}

async function readBatch(db: Db, { source, containerId, name, version }: Place): Promise<Row[]> {
  const after =
    source === 'object'
      ? sql`(container_id, name) > (${containerId}, ${name}) order by container_id, name`
      : sql`(container_id, name, version) > (${containerId}, ${name}, ${version}) order by container_id, name, version`
  return db.rows<Row>(sql`
    select container_id, name, version, sealed from ${sql.identifier(source)} where ${after} limit ${rowBatch}`)
}

interface Change {
  container_id: string
  name: string
  version: string
  old: Sealed
  new: Sealed
}

// A row that was replaced meanwhile stays as it is.
async function replace(tx: Tx, source: Place['source'], changes: Change[]): Promise<void> {
  if (changes.length === 0) return
  await tx.rows(sql`
    update ${sql.identifier(source)} as o set sealed = n.new
    from jsonb_to_recordset(${JSON.stringify(changes)}::text::jsonb)
      as n (container_id bigint, name text, version bigint, old jsonb, new jsonb)
    where o.container_id = n.container_id and o.name = n.name and o.version = n.version and o.sealed = n.old`)
}

// What wraps nothing any more is marked, and goes when it was marked an hour ago: whoever read a row before it was changed, to
// make a copy of it, has come to an end by then.
async function retire(): Promise<Outcome> {
  return done(async (tx) => {
    await tx.rows(sql`
      with used as materialized (
        select sealed->>'keyId' as key_id, (sealed->>'keyVersion')::int as version from object where sealed->>'keyId' is not null
        union
        select sealed->>'keyId', (sealed->>'keyVersion')::int from object_version where sealed->>'keyId' is not null
        union
        select sealed->>'keyId', (sealed->>'keyVersion')::int from object_upload where sealed->>'keyId' is not null
      ), idle as materialized (
        select key_id, version from object_key_version v
        where version < (select max(version) from object_key_version where key_id = v.key_id)
          and not exists (select from used where used.key_id = v.key_id::text and used.version = v.version)
      ), gone as (
        delete from object_key_version v using idle
        where v.key_id = idle.key_id and v.version = idle.version and v.retired_at < now() - interval '1 hour'
      )
      update object_key_version v
      set retired_at = case when exists (select from idle where idle.key_id = v.key_id and idle.version = v.version) then now() end
      where (retired_at is null) = exists (select from idle where idle.key_id = v.key_id and idle.version = v.version)`)
    await dropOldKeys(tx, 'object', hourMs)
    await keysChanged(tx)
  })
}
