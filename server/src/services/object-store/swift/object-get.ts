// GET and HEAD of an object.
import { first, sql } from '#lib/db.ts'
import { findContainer } from '../containers.ts'
import { type Container, type LinkTarget, objectVersion, type StoredObject } from '../model.ts'
import { findObject } from '../store/read.ts'
import { isAllowed, requireAccess } from './access.ts'
import { type Answer, httpDate, refuse, timestampOf, toHeader } from './answer.ts'
import { isUnchanged, rangeHolds } from './conditions.ts'
import { contentOf } from './content.ts'
import { readVersion, versionText } from './lists.ts'
import type { State } from './load.ts'
import { titled } from './metadata.ts'
import { multipart, parseRanges, type Range } from './ranges.ts'
import type { SwiftRequest } from './request.ts'
import { manifestAnswer } from './slo.ts'

const mostLinks = 2

export async function readObject(sr: SwiftRequest, state: State): Promise<Answer> {
  requireAccess(sr, 'object-read', state.container)
  if (!state.container) refuse(404)
  return showObject(sr, state.container, sr.object!, state.object)
}

/** The reply for an object that the one who asks may read; `now`: what it is, where that is known. */
export async function showObject(
  sr: SwiftRequest,
  container: Container,
  name: string,
  now?: StoredObject,
): Promise<Answer> {
  let { found, whose, location } = await follow(sr, container, name, now)
  if (sr.param('multipart-manifest') === 'get' && found.kind === 'slo') {
    const shown = manifestAnswer(found, sr.param('format') === 'raw')
    return { ...shown, headers: { ...objectHeaders(sr, found, found.etag), ...shown.headers } }
  }
  if (sr.param('multipart-manifest') === 'get' && found.headers['x-object-manifest'] !== undefined)
    found = { ...found, headers: { ...found.headers, 'x-object-manifest': '' } }
  const dynamic = found.headers['x-object-manifest'] !== ''
  const content = await contentOf(sr.req.world, whose, dynamic ? found : { ...found, headers: {} })
  const headers = objectHeaders(sr, found, content.etag)
  if (container.versions === 'enabled' || sr.param('version-id') !== undefined)
    headers['X-Object-Version-Id'] = versionText(found.version)
  if (location !== undefined) headers['Content-Location'] = location
  if (isUnchanged(sr, { etag: content.etag, modifiedAt: found.modifiedAt })) {
    delete headers['Content-Type']
    return { status: 304, headers }
  }
  const open = (range: Range) => content.open(range)
  const range = sr.method === 'GET' && rangeHolds(sr, { etag: content.etag, modifiedAt: found.modifiedAt })
  const ranges = range ? parseRanges(sr.header('range'), content.size) : undefined
  if (ranges === 'none')
    return {
      status: 416,
      headers: { ...headers, 'Content-Type': 'text/html; charset=UTF-8', 'Content-Range': `bytes */${content.size}` },
      body: '<html><h1>Requested Range Not Satisfiable</h1><p>The Range requested is not available.</p></html>',
    }
  if (ranges?.length === 1) {
    const { start, end } = ranges[0]!
    headers['Content-Range'] = `bytes ${start}-${end}/${content.size}`
    headers['Content-Length'] = String(end - start + 1)
    return { status: 206, headers, body: await open(ranges[0]!) }
  }
  if (ranges) {
    const made = multipart(ranges, content.size, headers['Content-Type']!, open)
    headers['Content-Type'] = made.contentType
    headers['Content-Length'] = String(made.length)
    return { status: 206, headers, body: made.body }
  }
  headers['Content-Length'] = String(content.size)
  if (sr.method === 'HEAD') return { status: 200, headers }
  return { status: 200, headers, body: await open({ start: 0, end: content.size - 1 }) }
}

async function follow(
  sr: SwiftRequest,
  container: Container,
  name: string,
  now: StoredObject | undefined,
): Promise<{ found: StoredObject; whose: SwiftRequest['whose']; location: string | undefined }> {
  let found = await lookUp(sr, container, name, now)
  if (!found) refuse(404)
  let whose = sr.whose
  let location: string | undefined
  if (sr.param('symlink') === 'get') return { found, whose, location }
  for (let hops = 0; found.manifest && 'target' in found.manifest; hops++) {
    if (hops === mostLinks) refuse(409, 'Too many levels of symbolic links, maximum allowed is 2')
    const { account, path, etag }: LinkTarget = found.manifest.target
    whose = { region: sr.req.region, projectId: account }
    const slash = path.indexOf('/')
    const target = await findContainer(sr.req.db, whose, path.slice(0, slash))
    if (!isAllowed({ ...sr, projectId: account, whose }, 'object-read', target))
      refuse(sr.req.actor.userId === '' ? 401 : 403)
    location = encodeURI(`/v1/AUTH_${account}/${path}`)
    const next: StoredObject | undefined = target && (await findObject(sr.req.db, target.id, path.slice(slash + 1)))
    if (!next) refuse(404)
    if (etag !== undefined && next.etag !== etag) refuse(409, 'The target of this static link is another object now.')
    found = next
  }
  return { found, whose, location }
}

async function lookUp(
  sr: SwiftRequest,
  container: Container,
  name: string,
  known: StoredObject | undefined,
): Promise<StoredObject | undefined> {
  const now = known ?? (await findObject(sr.req.db, container.id, name))
  const asked = sr.param('version-id')
  if (asked === undefined) return now
  const version = readVersion(asked)
  if (now?.version === version) return now
  const older = first(
    await sr.req.db
      .select()
      .from(objectVersion)
      .where(
        sql`${objectVersion.containerId} = ${container.id} and ${objectVersion.name} = ${name} and ${objectVersion.version} = ${version}`,
      ),
  )
  return older?.deleteMarker ? undefined : older
}

export function objectHeaders(sr: SwiftRequest, object: StoredObject, etag: string): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': toHeader(object.contentType),
    ETag: etag,
    'Last-Modified': httpDate(object.modifiedAt),
    'X-Timestamp': timestampOf(object.modifiedAt),
    'Accept-Ranges': 'bytes',
  }
  for (const [name, value] of Object.entries(object.metadata))
    headers[`X-Object-Meta-${titled(name)}`] = toHeader(value)
  for (const [name, value] of Object.entries(object.headers)) if (value !== '') headers[titled(name)] = toHeader(value)
  if (object.deleteAt) headers['X-Delete-At'] = String(Math.floor(object.deleteAt.getTime() / 1000))
  if (object.kind === 'slo') headers['X-Static-Large-Object'] = 'True'
  if (sr.param('symlink') === 'get' && object.manifest && 'target' in object.manifest) {
    headers['X-Symlink-Target'] = encodeURI(object.manifest.target.path)
    headers['X-Symlink-Target-Account'] = `AUTH_${object.manifest.target.account}`
    if (object.manifest.target.etag) headers['X-Symlink-Target-Etag'] = object.manifest.target.etag
  }
  return headers
}
