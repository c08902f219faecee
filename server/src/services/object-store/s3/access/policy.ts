// The policy of a bucket, who is kept out whatever it says, and who owns what is put into it.
import { changeSharing } from '../../sharing/names.ts'
import { isPublic, mostPolicyBytes, parsePolicy } from '../../sharing/policy.ts'
import { isPublicPolicy, type PublicAccessBlock, without } from '../../sharing/sharing.ts'
import { isPublicGrant } from '../../sharing/acl.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readSmall, readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'

const done: Answer = { status: 200, headers: {} }
const gone: Answer = { status: 204, headers: {} }

export async function getBucketPolicy({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const policy = container.sharing?.policy
  if (policy === undefined) refuse('NoSuchBucketPolicy', undefined, { BucketName: container.name })
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body: policy }
}

export async function putBucketPolicy(request: BucketRequest): Promise<Answer> {
  const { db, bucket } = request
  const { container } = bucket
  const text = (await readSmall(request, mostPolicyBytes)).toString('utf8')
  const policy = parsePolicy(text, container.name)
  if (typeof policy === 'string') refuse('MalformedPolicy', policy)
  await db.transaction((tx) =>
    changeSharing(tx, container, (now) => {
      if (now.publicAccessBlock?.blockPublicPolicy && isPublic(policy))
        refuse('AccessDenied', 'The public access block of this bucket does not let a public policy in.')
      return { ...now, policy: text }
    }),
  )
  return gone
}

export async function deleteBucketPolicy({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => changeSharing(tx, container, (now) => without(now, 'policy')))
  return gone
}

export async function getBucketPolicyStatus({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const { sharing } = container
  const byList = sharing?.ownership !== 'enforced' && (sharing?.acl ?? []).some(isPublicGrant)
  return xmlAnswer('PolicyStatus', { IsPublic: isPublicPolicy(sharing, container.name) || byList })
}

const blockNames = {
  blockPublicAcls: 'BlockPublicAcls',
  ignorePublicAcls: 'IgnorePublicAcls',
  blockPublicPolicy: 'BlockPublicPolicy',
  restrictPublicBuckets: 'RestrictPublicBuckets',
} as const

export async function getPublicAccessBlock({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const block = container.sharing?.publicAccessBlock
  if (!block) refuse('NoSuchPublicAccessBlockConfiguration', undefined, { BucketName: container.name })
  return xmlAnswer(
    'PublicAccessBlockConfiguration',
    Object.fromEntries(Object.entries(blockNames).map(([key, name]) => [name, block[key as keyof PublicAccessBlock]])),
  )
}

export async function putPublicAccessBlock(request: BucketRequest): Promise<Answer> {
  const document = await readXml(request, 'PublicAccessBlockConfiguration')
  const read = (name: string) => {
    const text = document.textOf(name)?.trim().toLowerCase()
    if (text !== undefined && text !== 'true' && text !== 'false') refuse('MalformedXML')
    return text === 'true'
  }
  const publicAccessBlock: PublicAccessBlock = {
    blockPublicAcls: read(blockNames.blockPublicAcls),
    ignorePublicAcls: read(blockNames.ignorePublicAcls),
    blockPublicPolicy: read(blockNames.blockPublicPolicy),
    restrictPublicBuckets: read(blockNames.restrictPublicBuckets),
  }
  const { container } = request.bucket
  await request.db.transaction((tx) => changeSharing(tx, container, (now) => ({ ...now, publicAccessBlock })))
  return done
}

export async function deletePublicAccessBlock({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => changeSharing(tx, container, (now) => without(now, 'publicAccessBlock')))
  return gone
}

const ownerships = { preferred: 'BucketOwnerPreferred', enforced: 'BucketOwnerEnforced' } as const

export async function getOwnershipControls({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const ownership = container.sharing?.ownership
  if (!ownership) refuse('OwnershipControlsNotFoundError', undefined, { BucketName: container.name })
  return xmlAnswer('OwnershipControls', { Rule: { ObjectOwnership: ownerships[ownership] } })
}

export async function putOwnershipControls(request: BucketRequest): Promise<Answer> {
  const document = await readXml(request, 'OwnershipControls')
  const asked = document.child('Rule')?.textOf('ObjectOwnership')?.trim()
  if (asked === 'ObjectWriter')
    refuse(
      'NotImplemented',
      'What is put into a bucket belongs to its project here: use BucketOwnerPreferred or BucketOwnerEnforced.',
    )
  const ownership =
    asked === ownerships.preferred ? 'preferred' : asked === ownerships.enforced ? 'enforced' : undefined
  if (!ownership) refuse('MalformedXML')
  const { container } = request.bucket
  await request.db.transaction((tx) =>
    changeSharing(tx, container, (now) => {
      if (ownership === 'enforced' && (now.acl ?? []).length > 0)
        refuse('InvalidBucketAclWithObjectOwnership', undefined, { BucketName: container.name })
      return { ...now, ownership }
    }),
  )
  return done
}

export async function deleteOwnershipControls({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => changeSharing(tx, container, (now) => without(now, 'ownership')))
  return gone
}
