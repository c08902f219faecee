// Who may do what: a policy that denies, the owners, a policy that allows, then access lists, S3's and Swift's.
import { first, sql } from '#lib/db.ts'
import type { Container, StoredObject } from '../../model.ts'
import { aclAllows, neededGrant } from '../../sharing/acl.ts'
import { admitsListing, listAdmits, listNames } from '../../sharing/container-acl.ts'
import { isPublic, judge, type Policy, type Principal } from '../../sharing/policy.ts'
import { effectiveAcl, policyOf } from '../../sharing/sharing.ts'
import { contextOf } from './context.ts'
import { refuse } from '../wire/errors.ts'
import type { Operation } from '../operation.ts'
import type { Bucket, S3Request } from '../wire/request.ts'

type Needs = Pick<Operation, 'permission' | 'rule'>

// So that nobody shuts himself out: an owner can always look at the policy, and change it.
const aboutPolicy = new Set(['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'])

/** Whether the one who asks may do this to the bucket, or to that key in it (of that version, where it is named). */
export async function isAllowed(
  request: S3Request,
  needs: Needs,
  bucket: Bucket,
  key?: string,
  version = request.query.get('versionId'),
): Promise<boolean> {
  const { container } = bucket
  const { actor } = request
  const action = key !== undefined && version !== undefined ? ofVersion(needs.permission) : needs.permission
  const owns = request.allows(needs.rule, container.projectId)
  const policy = policyOf(container.sharing, container.name)
  // the usual case: nobody has said anything, and the owners ask
  if (owns && (!policy || aboutPolicy.has(action))) return true
  const looked: Looked = {}
  const verdict = policy && (await askPolicy(request, { policy, action, container, key, version, looked }))
  if (verdict === 'deny') return false
  if (owns) return true
  const block = container.sharing?.publicAccessBlock
  if (verdict === 'allow') {
    const closed = block?.restrictPublicBuckets === true && policy !== undefined && isPublic(policy)
    if (!closed || actor.projectId === container.projectId) return true
  }
  if (await listsAllow(request, { action, container, key, version, looked })) return true
  return containerListsAllow(request, action, container)
}

/** Throws as `deny` does. */
export async function requireAllowed(request: S3Request, needs: Needs, bucket: Bucket, key?: string): Promise<void> {
  if (!(await isAllowed(request, needs, bucket, key))) await deny(request, bucket)
}

/** Who may not do something, and may not know either whether the bucket is there, is told what they would be told without it. */
export async function deny(request: S3Request, bucket: Bucket | undefined): Promise<never> {
  if (request.actor.userId === '') refuse('AccessDenied')
  const knows =
    bucket &&
    (request.allows('account:read', bucket.container.projectId) ||
      (await isAllowed(request, { permission: 's3:ListBucket', rule: 'account:read' }, bucket)))
  return knows ? refuse('AccessDenied') : noSuchBucket(request.target.bucket ?? '')
}

export function noSuchBucket(name: string): never {
  return refuse('NoSuchBucket', undefined, { BucketName: name })
}

/** Permissions to what is older have names of their own. */
function ofVersion(permission: string): string {
  const match =
    /^s3:(Get|Delete|Put)Object(Acl|Tagging|Attributes)?$/.exec(permission) ??
    /^s3:(Get|Put)Object(Retention|LegalHold)$/.exec(permission)
  if (!match || /Retention|LegalHold/.test(permission)) return permission
  return `s3:${match[1]}ObjectVersion${match[2] ?? ''}`
}

interface About {
  action: string
  container: Container
  key: string | undefined
  version: string | undefined
  /** What was read of the object on the way. */
  looked: Looked
}
interface Looked {
  object?: { tags: Record<string, string> | null; acl: StoredObject['acl'] } | undefined
}

async function askPolicy(
  request: S3Request,
  { policy, action, container, key, version, looked }: About & { policy: Policy },
) {
  const tags =
    policy.readsObjectTags && key !== undefined
      ? (await lookAt(request, { container, key, version, looked }))?.tags
      : undefined
  return judge(policy, {
    principal: principalOf(request),
    action,
    resource: key === undefined ? container.name : `${container.name}/${key}`,
    context: contextOf(request, tags ?? {}),
  })
}

function principalOf({ actor }: S3Request): Principal | undefined {
  if (actor.userId === '') return undefined
  return { projectId: actor.projectId ?? '', userId: actor.userId, userName: actor.userName }
}

async function listsAllow(request: S3Request, { action, container, key, version, looked }: About): Promise<boolean> {
  const needed = neededGrant(action)
  if (!needed) return false
  const projectId = request.actor.userId === '' ? undefined : (request.actor.projectId ?? '')
  if (needed.of === 'bucket') {
    const acl = effectiveAcl(container.sharing, container.sharing?.acl)
    return aclAllows(acl, needed.permission, projectId)
  }
  if (key === undefined || container.sharing?.ownership === 'enforced') return false
  const object = await lookAt(request, { container, key, version, looked })
  return aclAllows(effectiveAcl(container.sharing, object?.acl), needed.permission, projectId)
}

/** Tags and access list of the object, or of that version of it. */
async function lookAt(
  { db }: S3Request,
  { container, key, version, looked }: Omit<About, 'action' | 'key'> & { key: string },
): Promise<Looked['object']> {
  if ('object' in looked) return looked.object
  const at = version === undefined || !/^\d{1,16}$/.test(version) ? sql`` : sql`and version = ${version}::bigint`
  const of = (table: 'object' | 'object_version') =>
    db.rows<NonNullable<Looked['object']>>(sql`
      select tags, acl from ${sql.identifier(table)}
      where container_id = ${container.id} and name = ${key} ${at} limit 1`)
  looked.object = first(await of('object'))
  if (!looked.object && version !== undefined) looked.object = first(await of('object_version'))
  return looked.object
}

const readDeeds = new Set(['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectAttributes'])
const writeDeeds = new Set([
  's3:PutObject',
  's3:DeleteObject',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
])
const listDeeds = new Set(['s3:ListBucket', 's3:ListBucketMultipartUploads'])

/** What the container's own lists (X-Container-Read, X-Container-Write) give counts here too: it is one store. */
function containerListsAllow({ actor, headers }: S3Request, action: string, container: Container): boolean {
  const { readAcl, writeAcl, sharing } = container
  if (writeDeeds.has(action)) return listNames(writeAcl, actor)
  const lists = listDeeds.has(action)
  if (!lists && !readDeeds.has(action)) return false
  if (listNames(readAcl, actor)) return true
  if (sharing?.publicAccessBlock?.ignorePublicAcls || sharing?.publicAccessBlock?.restrictPublicBuckets) return false
  return listAdmits(readAcl, headers.referer) && (!lists || admitsListing(readAcl))
}
