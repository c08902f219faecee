import type { Actor } from '#lib/actor.ts'
import {
  and,
  bigint,
  boolean,
  type Db,
  eq,
  inArray,
  integer,
  isNull,
  jsonb,
  lt,
  ne,
  or,
  pgTable,
  type SQL,
  sql,
  text,
  timestamp,
  type Tx,
  uuid,
} from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, forbidden, notFound } from '#lib/fault.ts'
import { isUuid, newId } from '#lib/id.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const image = pgTable('image', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id'),
  name: text(),
  status: text({ enum: ['queued', 'saving', 'uploading', 'importing', 'active', 'deactivated', 'killed'] }).notNull(),
  visibility: text({ enum: ['public', 'private', 'shared', 'community'] })
    .notNull()
    .default('shared'),
  diskFormat: text('disk_format'),
  containerFormat: text('container_format'),
  foundFormat: text('found_format'),
  size: bigint({ mode: 'number' }),
  virtualSize: bigint('virtual_size', { mode: 'number' }),
  checksum: text(),
  sha512: text(),
  minDisk: integer('min_disk').notNull().default(0),
  minRam: integer('min_ram').notNull().default(0),
  protected: boolean().notNull().default(false),
  hidden: boolean().notNull().default(false),
  tags: text().array().notNull().default([]),
  properties: jsonb().$type<Record<string, string>>().notNull().default({}),
  file: text(),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})
export type Image = typeof image.$inferSelect
export type ImageStatus = Image['status']
export type Visibility = Image['visibility']

export const imageMember = pgTable('image_member', {
  imageId: uuid('image_id').notNull(),
  member: text().notNull(),
  status: text({ enum: ['pending', 'accepted', 'rejected'] })
    .notNull()
    .default('pending'),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})
export type ImageMember = typeof imageMember.$inferSelect

/** Each status an image can enter, and those it may come from. Deleting is possible from all of them. */
const enteredFrom = {
  saving: ['queued'],
  uploading: ['queued'],
  importing: ['uploading'],
  queued: ['saving', 'uploading', 'importing'],
  active: ['saving', 'importing', 'active', 'deactivated'],
  deactivated: ['active', 'deactivated'],
} as const satisfies Record<string, readonly ImageStatus[]>

export type NewImage = Pick<Image, 'region' | 'projectId'> & Partial<Omit<Image, 'status' | 'createdAt' | 'updatedAt'>>

/** Throws a conflict when the id that the caller chose is taken. */
export async function insertImage(tx: Tx, spec: NewImage): Promise<Image> {
  const [row] = await tx
    .insert(image)
    .values({ id: newId(), ...spec, status: 'queued' })
    .onConflictDoNothing()
    .returning()
  if (!row) return conflict(`Image ID ${spec.id} already exists!`)
  await emit(tx, { type: 'image.created', resourceId: row.id, projectId: row.projectId, region: row.region })
  return row
}

export async function findImage(db: Db, region: string, id: string): Promise<Image | undefined> {
  if (!isUuid(id)) return undefined
  const [found] = await db
    .select()
    .from(image)
    .where(and(eq(image.id, id), eq(image.region, region)))
  return found
}

/** The image, if this actor may know of it: own, public, community, or shared with the project. Throws notFound. */
export async function getVisibleImage(
  db: Db,
  region: string,
  id: string,
  actor: Pick<Actor, 'projectId' | 'isAdmin'>,
): Promise<Image> {
  const found = await findImage(db, region, id)
  if (!found) return noImage(id)
  if (actor.isAdmin || (found.projectId !== null && found.projectId === actor.projectId)) return found
  if (found.visibility === 'public' || found.visibility === 'community') return found
  if (found.visibility === 'shared' && actor.projectId !== null) {
    const [member] = await db
      .select()
      .from(imageMember)
      .where(and(eq(imageMember.imageId, found.id), eq(imageMember.member, actor.projectId)))
    if (member) return found
  }
  return noImage(id)
}

function noImage(id: string): never {
  return notFound('Image', id, { code: 'ImageNotFound' })
}

/** Moves on, if the status allows it; else a conflict. */
export async function enterStatus(
  tx: Tx,
  id: string,
  status: keyof typeof enteredFrom,
  change: Partial<Image> = {},
): Promise<Image> {
  const from = enteredFrom[status] as readonly ImageStatus[]
  const [row] = await tx
    .update(image)
    .set({ ...change, status, updatedAt: sql`now()` })
    .where(and(eq(image.id, id), sql`${image.status} in ${from}`))
    .returning()
  if (row) return row
  const [current] = await tx.select({ status: image.status }).from(image).where(eq(image.id, id))
  if (!current) return noImage(id)
  return conflict(`The image is ${current.status}: it cannot become ${status} now.`)
}

/** Images that wait for their data since before that moment. */
export async function unfinishedUploads(db: Db, before: Date): Promise<Pick<Image, 'id' | 'file'>[]> {
  return db
    .select({ id: image.id, file: image.file })
    .from(image)
    .where(
      and(
        or(eq(image.status, 'saving'), and(eq(image.status, 'uploading'), isNull(image.size))),
        lt(image.updatedAt, before),
      ),
    )
}

/** Gives up the upload that writes to `file`; false when it has come to its end meanwhile. */
export async function letGo(tx: Tx, id: string, file: string | null): Promise<boolean> {
  const gone = await tx
    .update(image)
    .set({ status: 'queued', file: null, updatedAt: sql`now()` })
    .where(
      and(
        eq(image.id, id),
        file === null ? isNull(image.file) : eq(image.file, file),
        sql`${image.status} in ('saving', 'uploading')`,
      ),
    )
    .returning({ id: image.id })
  return gone.length > 0
}

/** Those of the files that an image names. */
export async function knownFiles(db: Db, files: readonly string[]): Promise<Set<string>> {
  if (files.length === 0) return new Set()
  const rows = await db
    .select({ file: image.file })
    .from(image)
    .where(inArray(image.file, [...files]))
  return new Set(rows.flatMap(({ file }) => file ?? []))
}

export async function updateImage(tx: Tx, id: string, change: Partial<Image>): Promise<Image> {
  const [row] = await tx
    .update(image)
    .set({ ...change, updatedAt: sql`now()` })
    .where(eq(image.id, id))
    .returning()
  if (!row) return noImage(id)
  await emit(tx, { type: 'image.updated', resourceId: id, projectId: row.projectId, region: row.region })
  return row
}

/** Removes the row. Returns it: its file is the caller's to remove. Throws forbidden for a protected one. */
export async function removeImage(tx: Tx, id: string): Promise<Image> {
  const [row] = await tx
    .delete(image)
    .where(and(eq(image.id, id), eq(image.protected, false)))
    .returning()
  if (!row) {
    const [kept] = await tx.select({ id: image.id }).from(image).where(eq(image.id, id))
    return kept ? forbidden(`Image ${id} is protected and cannot be deleted.`) : noImage(id)
  }
  await emit(tx, { type: 'image.deleted', resourceId: id, projectId: row.projectId, region: row.region })
  return row
}

/** Adds or removes one tag, whatever else is written to the image at that moment. */
export async function setTag(tx: Tx, id: string, tag: string, there: boolean): Promise<void> {
  const tags = there
    ? sql`array_append(array_remove(${image.tags}, ${tag}), ${tag})`
    : sql`array_remove(${image.tags}, ${tag})`
  await tx
    .update(image)
    .set({ tags, updatedAt: sql`now()` })
    .where(eq(image.id, id))
}

/** What a list shows to whom. */
export function visibleTo(actor: Actor, visibility: string | undefined, memberStatus: string): SQL | undefined {
  const mine = eq(image.projectId, actor.projectId ?? '')
  const sharedWithMe = and(
    eq(image.visibility, 'shared'),
    sql`exists (select 1 from image_member m where m.image_id = ${image.id} and m.member = ${actor.projectId ?? ''}
        ${memberStatus === 'all' ? sql`` : sql`and m.status = ${memberStatus}`})`,
  )
  const notMine = or(ne(image.projectId, actor.projectId ?? ''), sql`${image.projectId} is null`)
  switch (visibility) {
    case 'public':
      return eq(image.visibility, 'public')
    case 'community':
      return eq(image.visibility, 'community')
    case 'private':
      return and(eq(image.visibility, 'private'), actor.isAdmin ? undefined : mine)
    case 'shared':
      // an admin sees all shared ones; others those of their own and those that they accepted
      return actor.isAdmin && memberStatus === 'accepted'
        ? eq(image.visibility, 'shared')
        : or(and(eq(image.visibility, 'shared'), mine), and(sharedWithMe, notMine))
    case 'all':
      return actor.isAdmin
        ? undefined
        : or(mine, eq(image.visibility, 'public'), eq(image.visibility, 'community'), sharedWithMe)
    default:
      return actor.isAdmin ? ne(image.visibility, 'community') : or(mine, eq(image.visibility, 'public'), sharedWithMe)
  }
}
