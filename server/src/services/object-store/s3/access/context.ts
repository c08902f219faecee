// What a request tells the conditions of a bucket policy; keys in lower case.
import type { Context } from '../../sharing/conditions.ts'
import type { S3Request } from '../wire/request.ts'
import { readTagHeader } from '../wire/tags.ts'

const headersAsked = [
  ...['x-amz-acl', 'x-amz-copy-source', 'x-amz-metadata-directive', 'x-amz-storage-class', 'x-amz-content-sha256'],
  ...['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'],
  ...['x-amz-server-side-encryption-customer-algorithm', 'x-amz-grant-read', 'x-amz-grant-write'],
  ...['x-amz-grant-read-acp', 'x-amz-grant-write-acp', 'x-amz-grant-full-control'],
]
const lockHeaders = {
  'x-amz-object-lock-mode': 's3:object-lock-mode',
  'x-amz-object-lock-retain-until-date': 's3:object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold': 's3:object-lock-legal-hold',
}
const queryAsked = {
  prefix: 's3:prefix',
  delimiter: 's3:delimiter',
  'max-keys': 's3:max-keys',
  versionId: 's3:versionid',
}

/** `tags`: those of the object that is there, where the policy asks for them. */
export function contextOf(request: S3Request, tags: Record<string, string>, now = new Date()): Context {
  const { actor, query, headers } = request
  const context = new Map<string, string[]>()
  const set = (key: string, value: string | undefined) => value !== undefined && context.set(key, [value])
  set('aws:sourceip', request.remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''))
  set('aws:securetransport', String(request.secure))
  set('aws:currenttime', now.toISOString())
  set('aws:epochtime', String(Math.floor(now.getTime() / 1000)))
  set('aws:referer', headers.referer)
  set('aws:useragent', headers['user-agent'])
  set('aws:principaltype', actor.userId === '' ? 'Anonymous' : 'User')
  if (actor.userId !== '') {
    set('aws:userid', actor.userId)
    set('aws:username', actor.userName)
    set('aws:principalaccount', actor.projectId ?? undefined)
    set('aws:principalarn', `arn:aws:iam::${actor.projectId ?? ''}:user/${actor.userName}`)
    set('s3:signatureversion', 'AWS4-HMAC-SHA256')
    set('s3:authtype', query.has('X-Amz-Signature') ? 'REST-QUERY-STRING' : 'REST-HEADER')
  }
  for (const [name, key] of Object.entries(queryAsked)) set(key, query.get(name))
  for (const name of headersAsked) set(`s3:${name}`, request.header(name))
  for (const [name, key] of Object.entries(lockHeaders)) set(key, request.header(name))
  set('s3:if-none-match', request.header('if-none-match'))
  set('s3:if-match', request.header('if-match'))
  for (const [name, value] of Object.entries(tags)) set(`s3:existingobjecttag/${name.toLowerCase()}`, value)
  const given = request.header('x-amz-tagging')
  if (given !== undefined) {
    const asked = readTagHeader(given)
    context.set('s3:requestobjecttagkeys', Object.keys(asked))
    for (const [name, value] of Object.entries(asked)) set(`s3:requestobjecttag/${name.toLowerCase()}`, value)
  }
  return context
}
