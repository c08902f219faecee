// How buckets are found from outside their project. Names of containers are a project's own, so a bare name means the bucket of
// the one who asks; of others it means the one that was the first to claim it. `PROJECT:name` means that one bucket for sure.
import { and, type Db, eq, first, type Tx } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { bucketName, type Container, objectContainer } from '../model.ts'
import type { Sharing } from './sharing.ts'

/** Takes the name for this bucket, if nobody has it. */
export async function claimName(tx: Tx, container: Pick<Container, 'id' | 'region' | 'name'>): Promise<void> {
  const { id, region, name } = container
  await tx.insert(bucketName).values({ region, name, containerId: id }).onConflictDoNothing()
}

/** The bucket that a name means to those who have none of that name: by who claimed it, or by the project before the colon. */
export async function findForeign(db: Db, region: string, name: string): Promise<Container | undefined> {
  const colon = name.indexOf(':')
  if (colon > 0) {
    const [projectId, own] = [name.slice(0, colon), name.slice(colon + 1)]
    return first(
      await db
        .select()
        .from(objectContainer)
        .where(
          and(
            eq(objectContainer.region, region),
            eq(objectContainer.projectId, projectId),
            eq(objectContainer.name, own),
          ),
        ),
    )
  }
  const row = first(
    await db
      .select({ container: objectContainer })
      .from(bucketName)
      .innerJoin(objectContainer, eq(objectContainer.id, bucketName.containerId))
      .where(and(eq(bucketName.region, region), eq(bucketName.name, name))),
  )
  return row?.container
}

/** Changes what the bucket says about who may use it, and makes it known by its name. */
export async function changeSharing(
  tx: Tx,
  container: Pick<Container, 'id' | 'region' | 'name'>,
  change: (now: Sharing) => Sharing,
): Promise<void> {
  const row = first(
    await tx
      .select({ sharing: objectContainer.sharing })
      .from(objectContainer)
      .where(eq(objectContainer.id, container.id))
      .for('update'),
  )
  if (!row) notFound('Container', container.name)
  const after = change(row.sharing ?? {})
  const sharing = Object.values(after).some((each) => each !== undefined) ? after : null
  await tx.update(objectContainer).set({ sharing }).where(eq(objectContainer.id, container.id))
  await claimName(tx, container)
}
