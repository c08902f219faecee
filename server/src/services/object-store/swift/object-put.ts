// PUT of an object: its bytes, a copy, a manifest or a link.
import { Readable } from 'node:stream'
import { extname } from 'node:path/posix'
import { piecesOf } from '#lib/pieces.ts'
import { sealingByDefault } from '../encryption/default.ts'
import type { Container, StoredObject } from '../model.ts'
import { hasRoom, type Into } from '../quota.ts'
import { storeObject } from '../store-object.ts'
import { emptyBytes, type Received } from '../store/bytes.ts'
import type { ObjectFacts } from '../store/put.ts'
import { findObject } from '../store/read.ts'
import { discard, receive, type ReceiveOptions } from '../store/receive.ts'
import { requireAccess } from './access.ts'
import { type Answer, httpDate, refuse } from './answer.ts'
import { versionText } from './lists.ts'
import { loadState, type State } from './load.ts'
import { readDeleteAt, readKeptHeaders, readMetadata } from './metadata.ts'
import { readObjectPath, requireNames, type SwiftRequest } from './request.ts'
import { manifestBytes, readManifest } from './slo.ts'

export const mostBytes = 5 * 1024 ** 3

export async function writeObject(sr: SwiftRequest, state: State): Promise<Answer> {
  requireAccess(sr, 'object-write', state.container)
  requireNames(sr)
  if (!state.container) refuse(404)
  const length = readLength(sr)
  if (sr.granted && sr.header('x-object-manifest')) refuse(400, 'X-Object-Manifest is not allowed with a signed URL.')
  if (sr.param('multipart-manifest') === 'put') return putManifest(sr, state, state.container)
  const facts = readFacts(sr)
  if (sr.header('x-symlink-target') !== undefined) {
    if ((length ?? 0) > 0) refuse(400, 'Symlink requests require a zero byte body')
    await drain(sr.req.stream)
    return store(sr, state, emptyBytes, { ...facts, ...(await linkFacts(sr)) })
  }
  await requireRoom(sr, state, state.container, length ?? 0)
  return putBytes(sr, state, piecesOf(sr.req.stream), facts, length)
}

/** A plain object of these bytes, which are `length` as far as is known. */
export async function writeBytes(
  sr: SwiftRequest,
  state: State,
  data: AsyncIterable<Buffer>,
  length: number,
): Promise<Answer> {
  requireAccess(sr, 'object-write', state.container)
  requireNames(sr)
  if (!state.container) refuse(404)
  const facts = readFacts(sr)
  await requireRoom(sr, state, state.container, length)
  return putBytes(sr, state, data, facts, length)
}

/** How bytes are taken in that are to lie in this container. */
export async function optionsInto(sr: SwiftRequest, { container }: State): Promise<ReceiveOptions> {
  if (!container) return {}
  return {
    storageClass: container.storageClass ?? undefined,
    sealing: await sealingByDefault(sr.req.world, sr.whose, container),
  }
}

/** Takes the bytes and stores them; gives them back when they may not be stored. */
export async function putBytes(
  sr: SwiftRequest,
  state: State,
  data: AsyncIterable<Buffer>,
  facts: ObjectFacts,
  length?: number,
): Promise<Answer> {
  let received: Received
  try {
    received = await receive(sr.req.world, limited(data), { ...(await optionsInto(sr, state)), length })
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') refuse(499, 'The client went away.')
    throw error
  }
  try {
    const expected = sr.header('etag')?.replaceAll('"', '').toLowerCase()
    if (expected && expected !== received.etag) refuse(422, 'The bytes are not those of the ETag.')
    return await store(sr, state, received, facts)
  } catch (error) {
    await discard(sr.req.world, received, error)
    throw error
  }
}

async function* limited(data: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let size = 0
  for await (const chunk of data) {
    size += chunk.length
    if (size > mostBytes) refuse(413, 'The object is larger than 5 GiB: upload it in segments.')
    yield chunk
  }
}

async function drain(stream: Readable): Promise<void> {
  for await (const chunk of stream as AsyncIterable<Buffer>)
    if (chunk.length > 0) refuse(400, 'This request may not have a body.')
}

export async function store(
  sr: SwiftRequest,
  state: State,
  bytes: Received,
  facts: ObjectFacts,
  shared = false,
): Promise<Answer> {
  const into = intoOf(sr, state, state.container!)
  const noneMatch = sr.header('if-none-match')
  if (noneMatch !== undefined && noneMatch.trim() !== '*') refuse(400, 'If-None-Match only supports *')
  // who sets no condition is not made to wait for another look
  const before = noneMatch === undefined ? undefined : refuseExisting
  const made = await storeObject(sr.req.world.db, into, sr.object!, bytes, facts, { before, shared, refuseFull })
  const headers: Record<string, string> = {
    ETag: facts.kind === 'slo' ? `"${bytes.etag}"` : bytes.etag,
    'Last-Modified': httpDate(made.modifiedAt),
  }
  if (into.container.versions === 'enabled') headers['X-Object-Version-Id'] = versionText(made.version)
  return { status: 201, headers }
}

function refuseExisting(now: StoredObject | undefined): void {
  if (now) refuse(412)
}

function intoOf({ whose }: SwiftRequest, { accountMetadata }: State, container: Container): Into {
  return { container, whose, accountMetadata }
}

function refuseFull(): never {
  return refuse(413, 'Upload exceeds quota.')
}

/** Before the bytes come: for those that have no room at all. */
async function requireRoom(sr: SwiftRequest, state: State, container: Container, size: number): Promise<void> {
  if (!(await hasRoom(sr.req.db, intoOf(sr, state, container), sr.object!, size))) refuseFull()
}

function readLength(sr: SwiftRequest): number | undefined {
  const text = sr.header('content-length')
  if (text === undefined) {
    if (sr.header('transfer-encoding') !== undefined) return undefined
    return refuse(411, 'Missing Content-Length header.')
  }
  if (!/^\d+$/.test(text)) refuse(400, 'Invalid Content-Length')
  if (Number(text) > mostBytes) refuse(413, 'The object is larger than 5 GiB: upload it in segments.')
  return Number(text)
}

export function readFacts(sr: SwiftRequest): ObjectFacts {
  const metadata = readMetadata(sr, 'object')
  return { contentType: contentTypeOf(sr), metadata, headers: readKeptHeaders(sr), deleteAt: readDeleteAt(sr) }
}

const guesses: Record<string, string> = {
  '.txt': 'text/plain',
  '.html': 'text/html',
  '.htm': 'text/html',
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.xml': 'text/xml',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
  '.mp4': 'video/mp4',
  '.mp3': 'audio/mpeg',
  '.tar': 'application/x-tar',
  '.zip': 'application/zip',
}
function contentTypeOf(sr: SwiftRequest): string {
  const given = sr.header('content-type')
  const detect = /^(true|1|yes|on|t|y)$/i.test(sr.header('x-detect-content-type') ?? '')
  if (given && !detect) return given
  return guesses[extname(sr.object!).toLowerCase()] ?? 'application/octet-stream'
}

async function linkFacts(sr: SwiftRequest): Promise<Pick<ObjectFacts, 'kind' | 'manifest'>> {
  const { container, object } = readObjectPath(sr.header('x-symlink-target')!, 'X-Symlink-Target')
  const named = sr.header('x-symlink-target-account')
  const account = named === undefined ? sr.projectId : named.replace(/^AUTH_/, '')
  const path = `${container}/${object}`
  if (account === sr.projectId && container === sr.container && object === sr.object)
    refuse(400, 'Symlink cannot target itself')
  const etag = sr.header('x-symlink-target-etag')?.replaceAll('"', '')
  if (etag === undefined) return { kind: 'symlink', manifest: { target: { account, path } } }
  const whose = { region: sr.req.region, projectId: account }
  const state = await loadState(sr.req.world, whose, container)
  requireAccess({ ...sr, whose, projectId: account }, 'object-read', state.container)
  const target = state.container && (await findObject(sr.req.db, state.container.id, object))
  if (!target) refuse(409, 'X-Symlink-Target does not exist')
  if (target.etag !== etag)
    refuse(409, `Object Etag '${target.etag}' does not match X-Symlink-Target-Etag header '${etag}'`)
  return { kind: 'symlink', manifest: { target: { account, path, etag, size: target.size } } }
}

async function putManifest(sr: SwiftRequest, state: State, container: Container): Promise<Answer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of sr.req.stream as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > manifestBytes) refuse(413, `A manifest may have ${manifestBytes} bytes.`)
    chunks.push(chunk)
  }
  const { segments, size, etag } = await readManifest(sr, Buffer.concat(chunks))
  const expected = sr.header('etag')?.replaceAll('"', '').toLowerCase()
  if (expected && expected !== etag) refuse(422, 'The manifest is not that of the ETag.')
  // the segments count where they lie; the manifest itself is small
  await requireRoom(sr, state, container, 0)
  const facts = { ...readFacts(sr), kind: 'slo' as const, manifest: { segments } }
  return store(sr, state, { ...emptyBytes, size, etag }, facts)
}
