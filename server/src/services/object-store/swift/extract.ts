// Bulk upload: the files of a tar archive become objects as they come by, one after the other; nothing is kept in between.
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { createGunzip } from 'node:zlib'
import type { Extract } from 'tar-stream'
import { Fault } from '#lib/fault.ts'
import { ensureContainer } from '../containers.ts'
import { requireAccess } from './access.ts'
import { type Answer, refuse, toHeader } from './answer.ts'
import { bulkAnswer, mostFailures, type Outcome, quote, statusLine, statusOfError } from './bulk.ts'
import { loadState, type State } from './load.ts'
import { mostBytes, writeBytes } from './object-put.ts'
import { requireNames, subrequest, type SwiftRequest } from './request.ts'

export const mostContainers = 10_000
const mostShownBytes = 256 + 1024 + 2

export function isExtract(sr: SwiftRequest): boolean {
  return sr.method === 'PUT' && sr.param('extract-archive') !== undefined
}

export function answerExtract(sr: SwiftRequest): Answer {
  const format = sr
    .param('extract-archive')!
    .toLowerCase()
    .replaceAll(/^\.+|\.+$/g, '')
  if (format === 'tar.bz2') refuse(400, 'Archives packed with bzip2 are not read here: send tar or tar.gz.')
  if (format !== 'tar' && format !== 'tar.gz') refuse(400, 'Unsupported archive format')
  const counts = { 'Number Files Created': 0 }
  return bulkAnswer(sr, 'extract', { status: 201, body: '', counts, errors: [] }, async (outcome) => {
    if (sr.header('content-length') === undefined && sr.header('transfer-encoding') === undefined)
      refuse(411, 'Missing Content-Length header.')
    await unpack(sr, format === 'tar.gz', outcome)
    if (outcome.errors.length === 0 && counts['Number Files Created'] === 0) {
      outcome.status = 400
      outcome.body = 'Invalid Tar File: No Valid Files'
    }
  })
}

async function unpack(sr: SwiftRequest, isPacked: boolean, outcome: Outcome): Promise<void> {
  const { extract } = await import('tar-stream')
  // names as bytes: whether they are UTF-8 is asked below (the option is documented; its type is not)
  const archive = extract({ filenameEncoding: 'latin1' } as object)
  const { stream } = sr.req
  const source = isPacked ? stream.pipe(createGunzip()) : stream
  const fails = (error: Error) => archive.destroy(error)
  stream.once('error', fails)
  source.once('error', fails).pipe(archive as unknown as NodeJS.WritableStream)
  const states = new Map<string, State>()
  try {
    for await (const entry of archive) {
      await putEntry(sr, entry, outcome, states)
      if (outcome.errors.length >= mostFailures || sr.req.signal.aborted) break
    }
  } catch (error) {
    throw broken(error)
  } finally {
    stream.off('error', fails)
    stream.unpipe()
    stream.resume()
  }
}

/** What the archive's reader throws is the fault of who sent it. */
function broken(error: unknown): Fault {
  if (error instanceof Fault) return error
  return new Fault('invalid', `Invalid Tar File: ${(error as Error).message}`, { code: '400', cause: error })
}

type Pax = Record<string, string>
type Entry = Extract extends AsyncIterable<infer Each> ? Each : never

async function putEntry(sr: SwiftRequest, entry: Entry, outcome: Outcome, states: Map<string, State>): Promise<void> {
  const { header } = entry
  const pax = (header.pax ?? {}) as Pax
  const chunks = (entry as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  const next = () =>
    chunks.next().catch((error: unknown) => {
      throw broken(error)
    })
  // a reader that stops early would end the archive with it
  const data: AsyncIterable<Buffer> = { [Symbol.asyncIterator]: () => ({ next }) }
  const name = pax['path'] === undefined ? Buffer.from(header.name, 'latin1') : Buffer.from(pax['path'])
  const path = pathOf(sr, name)
  if ((header.type === 'file' || header.type === 'contiguous-file') && path.includes('/')) {
    const status = await putFile(sr, path, { size: header.size, pax, data }, outcome, states)
    if (status < 300) outcome.counts['Number Files Created']!++
    else fail(outcome, path, status)
    if (status === 401) refuse(401)
  }
  while (!(await next()).done);
}

function fail(outcome: Outcome, path: Buffer, status: number): void {
  outcome.status = status >= 500 || outcome.status === 502 ? 502 : 400
  outcome.errors.push([quote(path.subarray(0, mostShownBytes)), statusLine(status)])
}

/** Where a file of the archive goes: below the path of the request. */
function pathOf(sr: SwiftRequest, name: Buffer): Buffer {
  const own = name.toString('latin1').replace(/^\.\//, '').replace(/^\/+/, '')
  const base = sr.container === undefined ? '' : [sr.container, sr.object ?? ''].join('/').replace(/\/+$/, '')
  return Buffer.concat([Buffer.from(base === '' ? '' : `${base}/`), Buffer.from(own, 'latin1')])
}

interface File {
  size: number
  pax: Pax
  data: AsyncIterable<Buffer>
}

async function putFile(
  sr: SwiftRequest,
  path: Buffer,
  { size, pax, data }: File,
  outcome: Outcome,
  states: Map<string, State>,
): Promise<number> {
  // tar-stream puts U+FFFD where a pax header is not UTF-8
  if (!isUtf8(path) || path.includes(0) || path.includes('\ufffd')) return 412
  if (size > mostBytes) return 413
  // its bytes would need to be spread out again
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) return 422
  const text = path.toString('utf8')
  const slash = text.indexOf('/')
  const container = text.slice(0, slash)
  const sub = subrequest(sr, 'PUT', container, text.slice(slash + 1), headersOf(sr, pax))
  if (container === '') return 412
  let noContainer = 0
  try {
    let state = states.get(container)
    if (!state) {
      state = await loadState(sr.req.world, sr.whose, container)
      if (!state.container) noContainer = await makeContainer(sub, states.size)
      if (noContainer === 0 && !state.container) state = await loadState(sr.req.world, sr.whose, container)
      if (state.container) states.set(container, state)
    }
    return (await writeBytes(sub, state, data, size)).status
  } catch (error) {
    if (noContainer > 0) fail(outcome, Buffer.from(`/v1/${sr.account}/${container}`), noContainer)
    return statusOfError(sr, error)
  }
}

/** 0 when it was made, else the status that says why not. */
async function makeContainer(sub: SwiftRequest, soFar: number): Promise<number> {
  if (soFar >= mostContainers) refuse(400, `More than ${mostContainers} containers to create from tar.`)
  try {
    requireAccess(sub, 'container-write', undefined)
    requireNames({ container: sub.container, object: undefined })
    await sub.req.db.transaction((tx) => ensureContainer(tx, sub.whose, sub.container!, { metadata: {} }))
    return 0
  } catch (error) {
    return statusOfError(sub, error)
  }
}

const xattr = /^(?:SCHILY|LIBARCHIVE)\.xattr\.user\.(?:(mime_type)|meta\.(.+))$/s

/** What the request says of every file, and what the archive says of this one. */
function headersOf(sr: SwiftRequest, pax: Pax): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {}
  for (const [name, value] of Object.entries(sr.headers))
    if (/^(content-type|x-detect-content-type|x-delete-at|x-delete-after|x-object-meta-.*)$/.test(name))
      headers[name] = value
  for (const [key, value] of Object.entries(pax)) {
    const found = xattr.exec(key)
    if (found?.[1] !== undefined) {
      headers['content-type'] = toHeader(value)
      delete headers['x-detect-content-type']
    } else if (found?.[2] !== undefined) headers[`x-object-meta-${found[2].toLowerCase()}`] = toHeader(value)
  }
  return headers
}
