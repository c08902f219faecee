// Buckets: containers of a project, as S3 shows them.
import { ensureContainer, findContainer, listContainers, removeContainer } from '../../containers.ts'
import { Fault } from '#lib/fault.ts'
import { claimName } from '../../sharing/names.ts'
import { readAclHeaders, setBucketAcl } from '../access/acl.ts'
import { type Answer, isoTime, xmlAnswer, owner } from '../wire/answer.ts'
import { enableLock } from './lock.ts'
import { readSmall } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest, S3Request } from '../wire/request.ts'
import { readDocument } from '../wire/xml.ts'

const mostListed = 10_000
const tokenPrefix = 'b'

export async function listBuckets(request: S3Request): Promise<Answer> {
  const { db, actor, query } = request
  const limit = readLimit(query.get('max-buckets'), 'max-buckets', mostListed, 1)
  const prefix = query.get('prefix') ?? ''
  const marker = readToken(query.get('continuation-token'))
  const whose = { region: request.world.config.region, projectId: actor.projectId! }
  const window = { prefix, marker, endMarker: '', limit: limit + 1, reverse: false }
  const rows = await listContainers(db, whose, window)
  const more = rows.length > limit
  const shown = rows.slice(0, limit)
  return xmlAnswer('ListAllMyBucketsResult', {
    Owner: owner(actor.projectId!),
    Buckets: {
      Bucket: shown.map(({ name, createdAt }) => ({
        Name: name,
        CreationDate: isoTime(createdAt),
        BucketRegion: request.world.config.region,
      })),
    },
    Prefix: query.get('prefix'),
    ContinuationToken: more ? tokenPrefix + Buffer.from(shown.at(-1)!.name).toString('base64url') : undefined,
  })
}

function readToken(token: string | undefined): string {
  if (token === undefined) return ''
  if (!token.startsWith(tokenPrefix)) refuse('InvalidArgument', 'The continuation token provided is incorrect')
  return Buffer.from(token.slice(tokenPrefix.length), 'base64url').toString('utf8')
}

/** A whole number of a query. Throws InvalidArgument. */
export function readLimit(text: string | undefined, name: string, most: number, least = 0): number {
  if (text === undefined || text === '') return most
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647 || Number(text) < least)
    refuse('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      ArgumentName: name,
      ArgumentValue: text,
    })
  return Math.min(Number(text), most)
}

/** Names that S3 allows for a bucket; what Swift allows besides can be used, but not made, here. */
function requireBucketName(name: string): void {
  const good =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes('..') &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name) &&
    !name.startsWith('xn--')
  if (!good) refuse('InvalidBucketName', undefined, { BucketName: name })
}

export async function createBucket(request: S3Request): Promise<Answer> {
  const { db, actor, target, world } = request
  const name = target.bucket!
  requireBucketName(name)
  const body = await readSmall(request, 65_536)
  if (body.length > 0) {
    const asked = readDocument(body, 'CreateBucketConfiguration').textOf('LocationConstraint')
    if (asked !== undefined && asked !== '' && asked !== world.config.region)
      refuse('InvalidLocationConstraint', `This is the region ${world.config.region}.`, { LocationConstraint: asked })
  }
  const whose = { region: world.config.region, projectId: actor.projectId! }
  const locks = /^true$/i.test(request.header('x-amz-bucket-object-lock-enabled') ?? '')
  const acl = readAclHeaders(request, whose.projectId)
  await db.transaction(async (tx) => {
    if (await findContainer(tx, whose, name)) refuse('BucketAlreadyOwnedByYou', undefined, { BucketName: name })
    const { container } = await ensureContainer(tx, whose, name, {
      metadata: {},
      ...(locks && { versions: 'enabled' }),
    })
    if (locks) await enableLock(tx, container.id)
    await claimName(tx, container)
    if (acl && acl.length > 0) await setBucketAcl(tx, container, acl)
  })
  return { status: 200, headers: { Location: `/${name}` } }
}

export async function headBucket(request: BucketRequest): Promise<Answer> {
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': request.world.config.region, 'Content-Type': 'application/xml' },
  }
}

export async function getBucketLocation({ world }: BucketRequest): Promise<Answer> {
  return xmlAnswer('LocationConstraint', world.config.region)
}

export async function deleteBucket({ db, bucket }: BucketRequest): Promise<Answer> {
  const { container, whose } = bucket
  await db
    .transaction((tx) => removeContainer(tx, whose, container.name))
    .catch((error: unknown) => {
      if (error instanceof Fault && error.kind === 'conflict')
        refuse('BucketNotEmpty', undefined, { BucketName: container.name })
      throw error
    })
  return { status: 204, headers: {} }
}
