// Data keys wrapped under the newest version of the key they are wrapped under.
import { type Db, desc } from '#lib/db.ts'
import { readKeys } from '#lib/key-ring.ts'
import { openBytes, sealBytes } from '#lib/sealed.ts'
import { objectKeyVersion } from './model.ts'
import { boundTo, openVersion } from './project-keys.ts'
import type { Sealed } from './sealed.ts'

/** Key → its versions, newest first. */
export type Versions = ReadonlyMap<string, readonly { version: number; key: Buffer }[]>

/** Of every key that there is, disabled ones too. */
export async function allVersions(db: Db): Promise<Versions> {
  const ring = await readKeys(db, 'object')
  const rows = await db.select().from(objectKeyVersion).orderBy(desc(objectKeyVersion.version))
  const keys = new Map<string, { version: number; key: Buffer }[]>()
  for (const row of rows)
    keys.set(row.keyId, [...(keys.get(row.keyId) ?? []), { version: row.version, key: openVersion(row, ring) }])
  return keys
}

/** Undefined where there is nothing to do: not encrypted, not with a key of ours, up to date, its key destroyed, or damaged. */
export function wrapAnew(
  sealed: Sealed | null,
  keys: Versions,
  isDamaged: (error: unknown) => void,
): Sealed | undefined {
  if (!sealed || sealed.mode === 'sse-c') return undefined
  const versions = keys.get(sealed.keyId)
  const newest = versions?.[0]
  const under = versions?.find((each) => each.version === sealed.keyVersion)
  if (!newest || !under || under === newest) return undefined
  const context = sealed.mode === 'sse-kms' ? sealed.context : {}
  const bound = (version: number) => boundTo(sealed.keyId, version, context)
  try {
    const dataKey = openBytes(Buffer.from(sealed.dataKey, 'base64'), bound(under.version), under)
    const wrapped = sealBytes(dataKey, bound(newest.version), newest)
    return { ...sealed, keyVersion: newest.version, dataKey: wrapped.toString('base64') }
  } catch (error) {
    isDamaged(error)
    return undefined
  }
}
