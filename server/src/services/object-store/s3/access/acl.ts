// Access control lists as S3 writes them: canned ones, headers that grant, documents.
import type { Tx } from '#lib/db.ts'
import { type Acl, cannedAcls, type Grant, type Grantee, isPublicGrant, permissions } from '../../sharing/acl.ts'
import { changeSharing } from '../../sharing/names.ts'
import { type Sharing, without } from '../../sharing/sharing.ts'
import { type Answer, xmlAnswer, owner } from '../wire/answer.ts'
import { readSmall } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest, S3Request } from '../wire/request.ts'
import { attributes, type Content, type Element, readDocument } from '../wire/xml.ts'

const groups = {
  'http://acs.amazonaws.com/groups/global/AllUsers': 'all',
  'http://acs.amazonaws.com/groups/global/AuthenticatedUsers': 'authenticated',
} as const satisfies Record<string, Grantee>
const uriOf = { all: Object.keys(groups)[0]!, authenticated: Object.keys(groups)[1]! }
const mostGrants = 100

const grantHeaders = {
  'x-amz-grant-read': 'READ',
  'x-amz-grant-write': 'WRITE',
  'x-amz-grant-read-acp': 'READ_ACP',
  'x-amz-grant-write-acp': 'WRITE_ACP',
  'x-amz-grant-full-control': 'FULL_CONTROL',
} as const

/** The list that the headers of a request ask for; undefined when they say nothing. Throws InvalidArgument. */
export function readAclHeaders(request: S3Request, projectId: string): Acl | undefined {
  const canned = request.header('x-amz-acl')
  const granted = Object.entries(grantHeaders).flatMap(([name, permission]) => {
    const text = request.header(name)
    return text === undefined ? [] : readGrantees(text).map((grantee): Grant => ({ grantee, permission }))
  })
  if (canned === undefined) return granted.length > 0 ? cleaned(granted, projectId) : undefined
  if (granted.length > 0) refuse('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed')
  const acl = Object.hasOwn(cannedAcls, canned) ? cannedAcls[canned] : undefined
  return acl ?? refuse('InvalidArgument', undefined, { ArgumentName: 'x-amz-acl', ArgumentValue: canned })
}

function readGrantees(text: string): Grantee[] {
  return text.split(',').map((each) => {
    const match = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/i.exec(each)
    const [, kind = '', value = ''] =
      match ?? refuse('InvalidArgument', 'Argument format not recognized', { ArgumentValue: each.trim() })
    return kind.toLowerCase() === 'id'
      ? idGrantee(value)
      : kind.toLowerCase() === 'uri'
        ? groupGrantee(value)
        : noEmail()
  })
}
function idGrantee(id: string): Grantee {
  return /^[0-9A-Za-z-]{1,64}$/.test(id)
    ? { id }
    : refuse('InvalidArgument', 'Invalid id', { ArgumentName: 'CanonicalUser/ID', ArgumentValue: id })
}
function groupGrantee(uri: string): Grantee {
  return Object.hasOwn(groups, uri)
    ? groups[uri as keyof typeof groups]
    : refuse('InvalidArgument', 'Invalid group uri', { ArgumentName: 'uri', ArgumentValue: uri })
}
function noEmail(): never {
  return refuse('UnresolvableGrantByEmailAddress')
}

/** Without what goes without saying (the owner's own control), and without what is said twice. */
function cleaned(grants: Grant[], projectId: string): Acl {
  const byText = new Map(grants.map((grant) => [JSON.stringify(grant), grant]))
  const acl = [...byText.values()].filter(({ grantee }) => typeof grantee === 'string' || grantee.id !== projectId)
  return acl.length > mostGrants ? refuse('MalformedACLError', `There may be at most ${mostGrants} grants.`) : acl
}

/** Reads an AccessControlPolicy. Throws MalformedACLError, and AccessDenied when it would change the owner. */
function readAclDocument(document: Element, projectId: string): Acl {
  const ownerId = document.child('Owner')?.textOf('ID')
  if (ownerId !== undefined && ownerId !== projectId) refuse('AccessDenied', 'The owner cannot be changed.')
  const list = document.child('AccessControlList') ?? refuse('MalformedACLError')
  const grants = list.children('Grant').map((grant): Grant => {
    const named = grant.textOf('Permission')
    const permission = permissions.find((each) => each === named) ?? refuse('MalformedACLError')
    const grantee = grant.child('Grantee') ?? refuse('MalformedACLError')
    const [id, uri] = [grantee.textOf('ID'), grantee.textOf('URI')]
    if (grantee.textOf('EmailAddress') !== undefined) noEmail()
    if (id !== undefined) return { grantee: idGrantee(id), permission }
    return { grantee: groupGrantee(uri ?? refuse('MalformedACLError')), permission }
  })
  return cleaned(grants, projectId)
}

/** The list of a request to change one: its headers, or its body. */
export async function readAcl(request: BucketRequest): Promise<Acl> {
  const { projectId } = request.bucket.container
  const given = readAclHeaders(request, projectId)
  const body = await readSmall(request, 1 << 18)
  if (given !== undefined) return body.length > 0 ? refuse('UnexpectedContent') : given
  if (body.length === 0) refuse('MissingSecurityHeader', undefined, { MissingHeaderName: 'x-amz-acl' })
  return readAclDocument(readDocument(body, 'AccessControlPolicy'), projectId)
}

/** Throws when the bucket takes no lists, or no public ones. */
export function requireAclAllowed(sharing: Sharing | null, acl: Acl): void {
  if (acl.length > 0 && sharing?.ownership === 'enforced') refuse('AccessControlListNotSupported')
  if (sharing?.publicAccessBlock?.blockPublicAcls && acl.some(isPublicGrant))
    refuse('AccessDenied', 'The public access block of this bucket does not let a public access control list in.')
}

const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type='

/** An AccessControlPolicy. */
export function showAcl(projectId: string, acl: Acl): Content {
  const grants: Acl = [{ grantee: { id: projectId }, permission: 'FULL_CONTROL' }, ...acl]
  return {
    Owner: owner(projectId),
    AccessControlList: {
      Grant: grants.map(({ grantee, permission }) => ({
        Grantee:
          typeof grantee === 'string'
            ? { [attributes]: `${xsi}"Group"`, URI: uriOf[grantee] }
            : { [attributes]: `${xsi}"CanonicalUser"`, ID: grantee.id, DisplayName: grantee.id },
        Permission: permission,
      })),
    },
  } as Content
}

export async function getBucketAcl({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const { projectId, sharing } = container
  return xmlAnswer(
    'AccessControlPolicy',
    showAcl(projectId, sharing?.ownership === 'enforced' ? [] : (sharing?.acl ?? [])),
  )
}

export async function putBucketAcl(request: BucketRequest): Promise<Answer> {
  const { container } = request.bucket
  const acl = await readAcl(request)
  await request.db.transaction((tx) => setBucketAcl(tx, container, acl))
  return { status: 200, headers: {} }
}

/** Throws as requireAclAllowed does. */
export async function setBucketAcl(tx: Tx, container: BucketRequest['bucket']['container'], acl: Acl): Promise<void> {
  await changeSharing(tx, container, (now) => {
    requireAclAllowed(now, acl)
    return acl.length > 0 ? { ...now, acl } : without(now, 'acl')
  })
}
