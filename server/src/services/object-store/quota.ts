// How much may lie in a container and in an account: quotas that stand in their metadata.
import { type Db, sql } from '#lib/db.ts'
import { accountUse, containerUse, type Whose } from './containers.ts'
import type { Container } from './model.ts'
import { findObject } from './store/read.ts'

/** Where a write goes. */
export interface Into {
  container: Container
  whose: Whose
  accountMetadata: Record<string, string>
}

/** Whether anything limits what lies there. */
export function hasQuota({ container: { metadata }, accountMetadata }: Omit<Into, 'whose'>): boolean {
  return Boolean(metadata['quota-bytes'] || metadata['quota-count'] || accountMetadata['quota-bytes'])
}

/** Whether an object of that size may become the one of that name; exact in a transaction. */
export async function hasRoom(db: Db, into: Into, name: string, size: number): Promise<boolean> {
  if (!hasQuota(into)) return true
  const { container, whose, accountMetadata } = into
  const { 'quota-bytes': bytes, 'quota-count': count } = container.metadata
  const account = accountMetadata['quota-bytes']
  const old = await findObject(db, container.id, name)
  if (bytes || count) {
    const use = await containerUse(db, container.id)
    if (bytes && use.bytes - (old?.size ?? 0) + size > Number(bytes)) return false
    if (count && !old && use.objects + 1 > Number(count)) return false
  }
  return !account || (await accountUse(db, whose)).bytes - (old?.size ?? 0) + size <= Number(account)
}

/** Whether a part of that size has room, counting the parts of uploads that are not completed. */
export async function hasRoomForPart(db: Db, into: Into, name: string, size: number): Promise<boolean> {
  if (!into.container.metadata['quota-bytes'] && !into.accountMetadata['quota-bytes']) return true
  const [row] = await db.rows<{ bytes: string }>(sql`
    select coalesce(sum(p.size), 0) as bytes from object_part p join object_upload u on u.id = p.upload_id
    where u.container_id = ${into.container.id}`)
  return hasRoom(db, into, name, Number(row!.bytes) + size)
}
