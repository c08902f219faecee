// Accounts and containers: their rows, how much they hold, their lists.
import { and, type Db, eq, first, sql, type Tx } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { type Account, type Container, objectAccount, objectContainer, standard } from './model.ts'
import { nextName } from './names.ts'
import { dropUploads } from './uploads.ts'

export interface Whose {
  region: string
  projectId: string
}
export interface Use {
  containers: number
  objects: number
  bytes: number
}

export async function findAccount(db: Db, whose: Whose): Promise<Account | undefined> {
  return first(
    await db
      .select()
      .from(objectAccount)
      .where(and(eq(objectAccount.region, whose.region), eq(objectAccount.projectId, whose.projectId))),
  )
}

/** Sets and (where the value is '') removes metadata. */
export async function changeAccount(tx: Tx, whose: Whose, changes: Record<string, string>): Promise<void> {
  await tx.insert(objectAccount).values(whose).onConflictDoNothing()
  const [row] = await tx
    .select()
    .from(objectAccount)
    .where(and(eq(objectAccount.region, whose.region), eq(objectAccount.projectId, whose.projectId)))
    .for('update')
  await tx
    .update(objectAccount)
    .set({ metadata: changed(row!.metadata, changes) })
    .where(and(eq(objectAccount.region, whose.region), eq(objectAccount.projectId, whose.projectId)))
}

/** `changes` over `now`; a name with an empty value goes. */
export function changed(now: Record<string, string>, changes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...now, ...changes }).filter(([, value]) => value !== ''))
}

export async function accountUse(db: Db, whose: Whose): Promise<Use> {
  const [row] = await db.rows<{ containers: string; objects: string; bytes: string }>(sql`
    select count(distinct c.id) as containers, coalesce(sum(u.objects), 0) as objects, coalesce(sum(u.bytes), 0) as bytes
    from object_container c left join object_usage u on u.container_id = c.id
    where c.region = ${whose.region} and c.project_id = ${whose.projectId}`)
  return { containers: Number(row!.containers), objects: Number(row!.objects), bytes: Number(row!.bytes) }
}

/** The same by the class of the containers. */
export async function classUse(db: Db, whose: Whose): Promise<Map<string, Use>> {
  const rows = await db.rows<{ class: string; containers: string; objects: string; bytes: string }>(sql`
    select coalesce(c.storage_class, ${standard}) as class, count(distinct c.id) as containers,
      coalesce(sum(u.objects), 0) as objects, coalesce(sum(u.bytes), 0) as bytes
    from object_container c left join object_usage u on u.container_id = c.id
    where c.region = ${whose.region} and c.project_id = ${whose.projectId} group by 1`)
  return new Map(
    rows.map((row) => [
      row.class,
      { containers: Number(row.containers), objects: Number(row.objects), bytes: Number(row.bytes) },
    ]),
  )
}

export async function containerUse(db: Db, containerId: number): Promise<{ objects: number; bytes: number }> {
  const [row] = await db.rows<{ objects: string; bytes: string }>(
    sql`select coalesce(sum(objects), 0) as objects, coalesce(sum(bytes), 0) as bytes from object_usage
      where container_id = ${containerId}`,
  )
  return { objects: Number(row!.objects), bytes: Number(row!.bytes) }
}

export async function findContainer(db: Db, whose: Whose, name: string): Promise<Container | undefined> {
  return first(
    await db
      .select()
      .from(objectContainer)
      .where(
        and(
          eq(objectContainer.region, whose.region),
          eq(objectContainer.projectId, whose.projectId),
          eq(objectContainer.name, name),
        ),
      ),
  )
}

export type ContainerChanges = Partial<Pick<Container, 'readAcl' | 'writeAcl' | 'versions' | 'versionsLocation'>> & {
  metadata: Record<string, string>
}

/** Makes the container (of that class), or changes it where it is (in its own); `created` says which. */
export async function ensureContainer(
  tx: Tx,
  whose: Whose,
  name: string,
  changes: ContainerChanges,
  storageClass?: string,
): Promise<{ container: Container; created: boolean }> {
  const { metadata, ...rest } = changes
  const [made] = await tx
    .insert(objectContainer)
    .values({ ...whose, name, ...rest, storageClass: storageClass ?? null, metadata: changed({}, metadata) })
    .onConflictDoNothing()
    .returning()
  if (made) {
    await tx.insert(objectAccount).values(whose).onConflictDoNothing()
    return { container: made, created: true }
  }
  return { container: await changeContainer(tx, whose, name, changes), created: false }
}

/** Throws notFound. */
export async function changeContainer(
  tx: Tx,
  whose: Whose,
  name: string,
  { metadata, ...rest }: ContainerChanges,
): Promise<Container> {
  const where = and(
    eq(objectContainer.region, whose.region),
    eq(objectContainer.projectId, whose.projectId),
    eq(objectContainer.name, name),
  )
  const [row] = await tx.select().from(objectContainer).where(where).for('update')
  if (!row) notFound('Container', name)
  if (row.objectLock && rest.versions !== undefined && rest.versions !== 'enabled')
    conflict('A container with object lock keeps its versions.', { code: 'InvalidBucketState' })
  const [after] = await tx
    .update(objectContainer)
    .set({ ...rest, metadata: changed(row.metadata, metadata), updatedAt: new Date() })
    .where(where)
    .returning()
  return after!
}

/** Throws notFound, or conflict when anything is in it. */
export async function removeContainer(tx: Tx, whose: Whose, name: string): Promise<void> {
  const found = await findContainer(tx, whose, name)
  if (!found) notFound('Container', name)
  // who writes into it holds this lock shared
  await tx.rows(sql`select pg_advisory_xact_lock(7004, ${found.id}::int)`)
  const [holds] = await tx.rows<{ any: boolean }>(sql`
    select exists (select from object where container_id = ${found.id} and (delete_at is null or delete_at > now()))
      or exists (select from object_version where container_id = ${found.id}) as any`)
  if (holds!.any) conflict('There was a conflict when trying to complete your request.')
  const [left] = await tx.rows<{ any: boolean }>(
    sql`select exists (select from object where container_id = ${found.id}) as any`,
  )
  if (left!.any) conflict('Expired objects of this container are still being removed; try again in a minute.')
  await dropUploads(tx, found.id)
  await tx.delete(objectContainer).where(eq(objectContainer.id, found.id))
}

export interface ContainerEntry {
  name: string
  objects: number
  bytes: number
  createdAt: Date
}

export interface Window {
  prefix: string
  marker: string
  endMarker: string
  limit: number
  reverse: boolean
}

export async function listContainers(db: Db, whose: Whose, page: Window): Promise<ContainerEntry[]> {
  const end = nextName(page.prefix)
  const rows = await db.rows<{ name: string; objects: string; bytes: string; created_at: Date | string }>(sql`
    select c.name, c.created_at, coalesce(u.objects, 0) as objects, coalesce(u.bytes, 0) as bytes
    from (
      select id, name, created_at from object_container
      where region = ${whose.region} and project_id = ${whose.projectId} and name >= ${page.prefix}
        ${end === undefined ? sql`` : sql`and name < ${end}`} ${beyond(page)}
      order by name ${page.reverse ? sql`desc` : sql`asc`} limit ${page.limit}
    ) c left join lateral (
      select sum(objects) as objects, sum(bytes) as bytes from object_usage where container_id = c.id
    ) u on true order by c.name ${page.reverse ? sql`desc` : sql`asc`}`)
  return rows.map((row) => ({
    name: row.name,
    objects: Number(row.objects),
    bytes: Number(row.bytes),
    createdAt: new Date(row.created_at),
  }))
}

function beyond({ marker, endMarker, reverse }: Window) {
  const after = marker === '' ? sql`` : reverse ? sql`and name < ${marker}` : sql`and name > ${marker}`
  const before = endMarker === '' ? sql`` : reverse ? sql`and name > ${endMarker}` : sql`and name < ${endMarker}`
  return sql`${after} ${before}`
}
