// POST, DELETE and COPY of an object.
import { and, eq, sql } from '#lib/db.ts'
import { inTurn } from '#lib/pieces.ts'
import { factsOf, removeArchived } from '../archive.ts'
import { copyBytes } from '../encryption/copy.ts'
import { defaultEncryption } from '../encryption/default.ts'
import { standard, storedObject, type StoredObject } from '../model.ts'
import { emptyBytes, type Received } from '../store/bytes.ts'
import { lockName } from '../store/lock.ts'
import type { ObjectFacts } from '../store/put.ts'
import { findObject } from '../store/read.ts'
import { discard, receive } from '../store/receive.ts'
import { removeObject } from '../store/remove.ts'
import { removeVersion } from '../store/versions.ts'
import { requireAccess } from './access.ts'
import { type Answer, httpDate, refuse, toHeader } from './answer.ts'
import { isUnchanged } from './conditions.ts'
import { contentOf } from './content.ts'
import { readVersion, versionText } from './lists.ts'
import { loadState, type State } from './load.ts'
import { metadataHeaders, readDeleteAt, readKeptHeaders } from './metadata.ts'
import { mostBytes, optionsInto, readFacts, store } from './object-put.ts'
import { objectHeaders } from './object-get.ts'
import { readObjectPath, requireNames, type SwiftRequest } from './request.ts'

/** Metadata and the headers kept with the object become those of the request; the bytes and their type stay. */
export async function changeObject(sr: SwiftRequest, state: State): Promise<Answer> {
  requireAccess(sr, 'object-write', state.container)
  const { container } = state
  if (!container) refuse(404)
  const { metadata } = readFacts(sr)
  const headers = readKeptHeaders(sr)
  const deleteAt = readDeleteAt(sr)
  const contentType = sr.header('content-type')
  const found = await sr.req.db.transaction(async (tx) => {
    await lockName(tx, container.id, sr.object!)
    const now = await findObject(tx, container.id, sr.object!)
    if (!now) refuse(404)
    if (now.kind === 'symlink') return now
    await tx
      .update(storedObject)
      .set({ metadata, headers, deleteAt, modifiedAt: sql`clock_timestamp()`, ...(contentType && { contentType }) })
      .where(and(eq(storedObject.containerId, container.id), eq(storedObject.name, sr.object!)))
    return now
  })
  if (found.manifest && 'target' in found.manifest)
    return {
      status: 307,
      headers: { Location: encodeURI(`/v1/AUTH_${found.manifest.target.account}/${found.manifest.target.path}`) },
      body: 'The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.',
    }
  return { status: 202, headers: {} }
}

export async function deleteObject(sr: SwiftRequest, state: State): Promise<Answer> {
  requireAccess(sr, 'object-write', state.container)
  const { container } = state
  if (!container) refuse(404)
  const name = sr.object!
  const asked = sr.param('version-id')
  const headers: Record<string, string> = {}
  await sr.req.db.transaction(async (tx) => {
    if (asked !== undefined) {
      const version = readVersion(asked)
      headers['X-Object-Version-Id'] = versionText(version)
      if (await removeVersion(tx, container.id, name, version)) return
      await lockName(tx, container.id, name)
      const now = await findObject(tx, container.id, name)
      if (now?.version !== version) refuse(404)
      await removeObject(tx, { ...container, versions: null }, name)
      return
    }
    const before = (now: StoredObject | undefined) => {
      if (now) isUnchanged({ ...sr, header: (h) => (h === 'if-none-match' ? undefined : sr.header(h)) }, now)
      if (!now && container.versions !== 'enabled') refuse(404)
    }
    if (container.versions === 'stack' || container.versions === 'history') {
      if (!(await removeArchived(tx, sr.whose, container, name))) refuse(404)
    } else await removeObject(tx, container, name, before)
  })
  return { status: 204, headers }
}

/** COPY: from this object to `Destination`. */
export async function copyObject(sr: SwiftRequest): Promise<Answer> {
  const destination = sr.header('destination')
  if (destination === undefined) refuse(412, 'Destination header required')
  const to = readObjectPath(destination, 'Destination')
  const account = sr.header('destination-account')
  return copy(
    sr,
    { projectId: sr.projectId, container: sr.container!, object: sr.object! },
    {
      projectId: account === undefined ? sr.projectId : account.replace(/^AUTH_/, ''),
      ...to,
    },
  )
}

/** PUT with X-Copy-From. */
export async function putCopy(sr: SwiftRequest): Promise<Answer> {
  const from = readObjectPath(sr.header('x-copy-from')!, 'X-Copy-From')
  const account = sr.header('x-copy-from-account')
  if (Number(sr.header('content-length') ?? 0) > 0) refuse(400, 'Copy requests require a zero byte body')
  return copy(
    sr,
    { projectId: account === undefined ? sr.projectId : account.replace(/^AUTH_/, ''), ...from },
    { projectId: sr.projectId, container: sr.container!, object: sr.object! },
  )
}

interface Place {
  projectId: string
  container: string
  object: string
}

async function copy(sr: SwiftRequest, from: Place, to: Place): Promise<Answer> {
  const at = (place: Place): SwiftRequest => ({
    ...sr,
    ...place,
    account: `AUTH_${place.projectId}`,
    whose: { region: sr.req.region, projectId: place.projectId },
  })
  const [source, target] = [at(from), at(to)]
  requireNames(target)
  const sourceState = await loadState(sr.req.world, source.whose, from.container)
  requireAccess(source, 'object-read', sourceState.container)
  const state = await loadState(sr.req.world, target.whose, to.container)
  requireAccess(target, 'object-write', state.container)
  if (!sourceState.container || !state.container) refuse(404)
  const found = await findObject(sr.req.db, sourceState.container.id, from.object)
  if (!found) refuse(404)
  if (isUnchanged(sr, found)) refuse(412)
  const { bytes, facts } = await copyOf(source, found, { sr: target, state })
  const asked = readFacts(target)
  const fresh = /^(true|1|yes|on|t|y)$/i.test(sr.header('x-fresh-metadata') ?? '')
  const given = sr.header('content-type')
  const merged: ObjectFacts = {
    ...facts,
    contentType: given || facts.contentType,
    metadata: fresh ? asked.metadata : { ...facts.metadata, ...asked.metadata },
    headers: fresh ? asked.headers : { ...facts.headers, ...asked.headers },
    deleteAt: asked.deleteAt ?? (fresh ? null : (facts.deleteAt ?? null)),
  }
  const shared = bytes.extents !== null && bytes.extents === found.extents
  const answer = await store(target, state, bytes, merged, shared).catch(async (error: unknown) => {
    if (!shared) await discard(sr.req.world, bytes, error)
    throw error
  })
  const shown = { ...found, ...merged, manifest: merged.manifest ?? null } as StoredObject
  const about = objectHeaders(sr, shown, answer.headers['ETag']!)
  for (const name of ['Last-Modified', 'X-Timestamp', 'Content-Type', 'Accept-Ranges']) delete about[name]
  return {
    status: 201,
    headers: {
      ...about,
      ...answer.headers,
      ...metadataHeaders('object', merged.metadata),
      'X-Copied-From': toHeader(encodeURI(`${from.container}/${from.object}`)),
      'X-Copied-From-Account': `AUTH_${from.projectId}`,
      'X-Copied-From-Last-Modified': httpDate(found.modifiedAt),
    },
  }
}

interface Into {
  sr: SwiftRequest
  state: State
}

/** What a copy is made of: the same blobs, where they may be the same; for a manifest that is followed, the bytes of its segments. */
async function copyOf(
  sr: SwiftRequest,
  found: StoredObject,
  into: Into,
): Promise<{ bytes: Received; facts: ObjectFacts }> {
  const facts = factsOf(found)
  const asManifest = sr.param('multipart-manifest') === 'get'
  const isLarge = found.kind === 'slo' || found.headers['x-object-manifest'] !== undefined
  if (!isLarge || asManifest) {
    if (found.kind === 'slo') return { bytes: { ...emptyBytes, size: found.size, etag: found.etag }, facts }
    if (found.kind === 'symlink' && sr.param('symlink') !== 'get') return followed(sr, found, into)
    const { world } = sr.req
    const container = into.state.container!
    const storageClass = container.storageClass ?? standard
    const { bytes } = await copyBytes(world, found, {
      whose: into.sr.whose,
      wish: defaultEncryption(world, container),
      plainEtag: true,
      storageClass,
      anew: found.kind === 'plain' && found.storageClass !== storageClass,
    })
    return { bytes, facts }
  }
  return wholeCopy(sr, sr.whose, found, into)
}

async function followed(
  sr: SwiftRequest,
  link: StoredObject,
  into: Into,
): Promise<{ bytes: Received; facts: ObjectFacts }> {
  const { target } = link.manifest as { target: { account: string; path: string } }
  const slash = target.path.indexOf('/')
  const whose = { region: sr.req.region, projectId: target.account }
  const state = await loadState(sr.req.world, whose, target.path.slice(0, slash))
  requireAccess({ ...sr, whose, projectId: target.account }, 'object-read', state.container)
  const found = state.container && (await findObject(sr.req.db, state.container.id, target.path.slice(slash + 1)))
  if (!found) refuse(404)
  if (found.kind === 'symlink') refuse(409, 'Links to links are not copied; copy their target.')
  return wholeCopy(sr, whose, found, into)
}

async function wholeCopy(sr: SwiftRequest, whose: SwiftRequest['whose'], found: StoredObject, into: Into) {
  const content = await contentOf(sr.req.world, whose, found)
  if (content.size > mostBytes) refuse(413, 'The object is larger than 5 GiB: copy its manifest instead.')
  const options = await optionsInto(into.sr, into.state)
  const opened = await content.open({ start: 0, end: content.size - 1 })
  const bytes = await receive(sr.req.world, inTurn(opened), { ...options, length: content.size })
  const { 'x-object-manifest': _, ...headers } = found.headers
  return { bytes, facts: { ...factsOf(found), headers, kind: 'plain' as const, manifest: null } }
}
