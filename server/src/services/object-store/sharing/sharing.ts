// What a bucket says about who else may use it; one column of its row, for it is asked at every request.
import type { Acl } from './acl.ts'
import { isPublicGrant } from './acl.ts'
import { isPublic, parsePolicy, type Policy } from './policy.ts'

export interface PublicAccessBlock {
  blockPublicAcls: boolean
  ignorePublicAcls: boolean
  blockPublicPolicy: boolean
  restrictPublicBuckets: boolean
}
export interface Sharing {
  /** As it was given. */
  policy?: string | undefined
  acl?: Acl | undefined
  publicAccessBlock?: PublicAccessBlock | undefined
  /** `enforced`: lists count for nothing, policies alone do. */
  ownership?: 'preferred' | 'enforced' | undefined
}

const parsed = new Map<string, Policy>()
const mostParsed = 500

/** The bucket's policy, read; a text is read once. */
export function policyOf(sharing: Sharing | null, bucket: string): Policy | undefined {
  const text = sharing?.policy
  if (text === undefined) return undefined
  const name = `${bucket}\n${text}`
  let policy = parsed.get(name)
  if (!policy) {
    const read = parsePolicy(text, bucket)
    if (typeof read === 'string') throw new Error(`the stored policy of bucket ${bucket} cannot be read: ${read}`)
    if (parsed.size >= mostParsed) parsed.clear()
    parsed.set(name, (policy = read))
  }
  return policy
}

/** Whether the policy counts as public (S3's word for it). */
export function isPublicPolicy(sharing: Sharing | null, bucket: string): boolean {
  const policy = policyOf(sharing, bucket)
  return policy !== undefined && isPublic(policy)
}

/** The grants that count, of the bucket's list or of an object's. */
export function effectiveAcl(sharing: Sharing | null, acl: Acl | null | undefined): Acl {
  if (!acl || sharing?.ownership === 'enforced') return []
  return sharing?.publicAccessBlock?.ignorePublicAcls ? acl.filter((grant) => !isPublicGrant(grant)) : acl
}

/** All of it but what one setting says. */
export function without(sharing: Sharing, setting: keyof Sharing): Sharing {
  const { [setting]: _, ...rest } = sharing
  return rest
}
