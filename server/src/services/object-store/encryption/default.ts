// What is encrypted where nobody asks for it: as the bucket says, else as the deployment does.
import type { World } from '#lib/world.ts'
import type { Whose } from '../containers.ts'
import type { Container } from '../model.ts'
import type { EncryptionWish } from './sealed.ts'
import { type Sealing, startSealing } from './sealing.ts'

export function defaultEncryption(world: World, container: Pick<Container, 'encryption'>): EncryptionWish {
  return container.encryption ?? { mode: world.config.objectEncryption === 'all' ? 'sse-s3' : 'none' }
}

/** For Swift, which knows nothing of encryption: its clients count on an etag that is the md5 of the bytes. */
export async function sealingByDefault(
  world: World,
  whose: Whose,
  container: Pick<Container, 'encryption'>,
): Promise<Sealing | undefined> {
  const sealing = await startSealing(world, whose, defaultEncryption(world, container))
  return sealing && { ...sealing, opaqueEtag: false }
}
