// Which bucket a name means.
import type { Whose } from '../../containers.ts'
import { findForeign } from '../../sharing/names.ts'
import { loadObject, loadState } from '../../swift/load.ts'
import type { Bucket, S3Request } from '../wire/request.ts'

/**
 * The bucket that the name means to the one who asks: that of their own project, else another's (see sharing/names.ts).
 * `key`: together with that object in it, in one query.
 */
export async function findBucket({ actor, world }: S3Request, name: string, key?: string): Promise<Bucket | undefined> {
  const { region } = world.config
  const load = async (whose: Whose, own: string): Promise<Bucket | undefined> => {
    const { container, ...rest } = await (key === undefined
      ? loadState(world, whose, own)
      : loadObject(world, whose, own, key))
    return container && { container, whose, ...rest }
  }
  const own = actor.projectId === null ? undefined : await load({ region, projectId: actor.projectId }, name)
  if (own) return own
  const foreign = await findForeign(world.db, region, name)
  return foreign && load({ region, projectId: foreign.projectId }, foreign.name)
}
