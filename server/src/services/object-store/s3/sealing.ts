// What bytes are encrypted with that come by S3: as the bucket says, else as the deployment does.
import { sealingByDefault } from '../encryption/default.ts'
import type { Sealing } from '../encryption/sealing.ts'
import type { BucketRequest } from './request.ts'

export function sealingFor({ world, bucket }: BucketRequest): Promise<Sealing | undefined> {
  return sealingByDefault(world, bucket.whose, bucket.container)
}
