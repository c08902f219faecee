import { and, type Db, eq, sql, type Tx } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { imageMember, type ImageMember } from '../images/model.ts'

export async function listMembers(db: Db, imageId: string): Promise<ImageMember[]> {
  return db.select().from(imageMember).where(eq(imageMember.imageId, imageId)).orderBy(imageMember.member)
}

export async function getMember(db: Db, imageId: string, member: string): Promise<ImageMember> {
  const [found] = await db
    .select()
    .from(imageMember)
    .where(and(eq(imageMember.imageId, imageId), eq(imageMember.member, member)))
  return found ?? notFound('Member', member)
}

export async function addMember(tx: Tx, imageId: string, member: string): Promise<ImageMember> {
  const [row] = await tx.insert(imageMember).values({ imageId, member }).onConflictDoNothing().returning()
  return row ?? conflict(`The project ${member} is already a member of image ${imageId}.`)
}

export async function setMemberStatus(
  tx: Tx,
  imageId: string,
  member: string,
  status: ImageMember['status'],
): Promise<ImageMember> {
  const [row] = await tx
    .update(imageMember)
    .set({ status, updatedAt: sql`now()` })
    .where(and(eq(imageMember.imageId, imageId), eq(imageMember.member, member)))
    .returning()
  return row ?? notFound('Member', member)
}

export async function removeMember(tx: Tx, imageId: string, member: string): Promise<void> {
  const gone = await tx
    .delete(imageMember)
    .where(and(eq(imageMember.imageId, imageId), eq(imageMember.member, member)))
    .returning()
  if (gone.length === 0) notFound('Member', member)
}
