// What a bucket says about itself besides who may use it: lifecycle, cors, website, tags.
import { and, type Db, eq, first, sql, type Tx } from '#lib/db.ts'
import { bucketSetting } from './model.ts'

export type SettingKind = 'cors' | 'lifecycle' | 'tags' | 'website'

export async function findSetting<Value>(db: Db, containerId: number, kind: SettingKind): Promise<Value | undefined> {
  const row = first(
    await db
      .select({ value: bucketSetting.value })
      .from(bucketSetting)
      .where(and(eq(bucketSetting.containerId, containerId), eq(bucketSetting.kind, kind))),
  )
  return row?.value as Value | undefined
}

/** `undefined` removes it. */
export async function setSetting(tx: Tx, containerId: number, kind: SettingKind, value: unknown): Promise<void> {
  if (value === undefined) {
    await tx.delete(bucketSetting).where(and(eq(bucketSetting.containerId, containerId), eq(bucketSetting.kind, kind)))
    return
  }
  await tx
    .insert(bucketSetting)
    .values({ containerId, kind, value })
    .onConflictDoUpdate({
      target: [bucketSetting.containerId, bucketSetting.kind],
      set: { value, updatedAt: sql`now()` },
    })
}
