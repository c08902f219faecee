// Which bucket a name means.
import { findForeign } from '../sharing/names.ts'
import { loadState } from '../swift/load.ts'
import type { Bucket, S3Request } from './request.ts'

/** The bucket that the name means to the one who asks: that of their own project, else another's (see sharing/names.ts). */
export async function findBucket({ actor, world }: S3Request, name: string): Promise<Bucket | undefined> {
  const { region } = world.config
  if (actor.projectId !== null) {
    const whose = { region, projectId: actor.projectId }
    const { container, accountMetadata } = await loadState(world, whose, name)
    if (container) return { container, whose, accountMetadata }
  }
  const foreign = await findForeign(world.db, region, name)
  if (!foreign) return undefined
  const whose = { region, projectId: foreign.projectId }
  const { container, accountMetadata } = await loadState(world, whose, foreign.name)
  return container && { container, whose, accountMetadata }
}
