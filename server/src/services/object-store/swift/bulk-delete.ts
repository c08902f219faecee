// Bulk delete: names in the body, one a line, percent-encoded; objects go first, then containers. The segments of a static
// large object go the same way.
import { isUtf8 } from 'node:buffer'
import { findObject } from '../store/read.ts'
import { requireAccess } from './access.ts'
import { type Answer, refuse } from './answer.ts'
import { bulkAnswer, mostFailures, type Outcome, quote, statusLine, statusOfError } from './bulk.ts'
import { answerContainer } from './container.ts'
import { loadState, type State } from './load.ts'
import { deleteObject } from './object-change.ts'
import { subrequest, type SwiftRequest } from './request.ts'

export const mostDeletes = 10_000
const mostLineBytes = 2 * (256 + 1024 + 2)
const atOnce = 4

/** One thing to delete, `container` or `container/object`; `error` says that it is not to be, and why. */
interface Doomed {
  name: Buffer
  error?: { status: number; text: string }
}

export function isBulkDelete(sr: SwiftRequest): boolean {
  return (sr.method === 'POST' || sr.method === 'DELETE') && sr.param('bulk-delete') !== undefined
}

export function answerBulkDelete(sr: SwiftRequest): Answer {
  return answerDeletes(sr, async () => {
    const type = sr.header('content-type')
    if (type && !type.startsWith('text/plain')) refuse(406, 'The names to delete must come as text/plain.')
    if (sr.header('content-length') === undefined && sr.header('transfer-encoding') === undefined)
      refuse(411, 'Missing Content-Length header.')
    return readNames(sr.req.stream as AsyncIterable<Buffer>)
  })
}

/** `multipart-manifest=delete`: the segments, those of segments too, then the manifests. */
export function answerManifestDelete(sr: SwiftRequest, state: State): Answer {
  return answerDeletes(sr, async () => {
    requireAccess(sr, 'object-write', state.container)
    const doomed: Doomed[] = []
    await addManifest(sr, `${sr.container}/${sr.object}`, doomed)
    return doomed
  })
}

async function addManifest(sr: SwiftRequest, path: string, doomed: Doomed[]): Promise<void> {
  const slash = path.indexOf('/')
  const name = Buffer.from(path)
  const { container } = await loadState(sr.req.world, sr.whose, path.slice(0, slash))
  const found = container && (await findObject(sr.req.db, container.id, path.slice(slash + 1)))
  if (!found) return void doomed.push({ name, error: { status: 404, text: statusLine(404) } })
  if (!found.manifest || !('segments' in found.manifest))
    return void doomed.push({ name, error: { status: 400, text: 'Not an SLO manifest' } })
  for (const segment of found.manifest.segments) {
    if (doomed.length > mostDeletes) refuse(400, 'Too many buffered slo segments to delete.')
    if (segment.data !== undefined) continue
    const at = segment.path.replace(/^\/+/, '')
    if (segment.slo) await addManifest(sr, at, doomed)
    else doomed.push({ name: Buffer.from(at) })
  }
  doomed.push({ name })
}

function answerDeletes(sr: SwiftRequest, find: () => Promise<Doomed[]>): Answer {
  const counts = { 'Number Deleted': 0, 'Number Not Found': 0 }
  return bulkAnswer(sr, 'delete', { status: 200, body: '', counts, errors: [] }, async (outcome) => {
    const doomed = await find()
    const isObject = ({ name }: Doomed) => /[^/]\/+[^/]/s.test(name.toString('latin1'))
    const states = new Map<string, Promise<State>>()
    await deleteAll(sr, doomed.filter(isObject), outcome, states)
    await deleteAll(
      sr,
      doomed.filter((each) => !isObject(each)),
      outcome,
      states,
    )
    if (outcome.errors.length === 0 && counts['Number Deleted'] + counts['Number Not Found'] === 0) {
      outcome.status = 400
      outcome.body = 'Invalid bulk delete.'
    }
  })
}

async function deleteAll(
  sr: SwiftRequest,
  doomed: Doomed[],
  outcome: Outcome,
  states: Map<string, Promise<State>>,
): Promise<void> {
  const { counts, errors } = outcome
  const left = doomed.values()
  const work = async () => {
    for (const { name, error } of left) {
      if (sr.req.signal.aborted) return
      const status = error?.status ?? (await deleteOne(sr, name, states))
      if (status === 404) counts['Number Not Found']!++
      else if (status < 300) counts['Number Deleted']!++
      else {
        errors.push([quote(name), error?.text ?? statusLine(status)])
        outcome.status = status >= 500 || outcome.status === 502 ? 502 : 400
        if (errors.length >= mostFailures) refuse(400, 'Max delete failures exceeded')
      }
    }
  }
  // all of them end before the reply does, whichever fails
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, work))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
}

async function deleteOne(sr: SwiftRequest, raw: Buffer, states: Map<string, Promise<State>>): Promise<number> {
  if (!isUtf8(raw) || raw.includes(0)) return 412
  const path = raw.toString('utf8').replace(/^\/+/, '')
  const slash = path.indexOf('/')
  const container = slash < 0 ? path : path.slice(0, slash)
  const object = (slash < 0 ? '' : path.slice(slash + 1)) || undefined
  const sub = subrequest(sr, 'DELETE', container, object)
  try {
    if (object === undefined)
      return (await answerContainer(sub, await loadState(sr.req.world, sr.whose, container))).status
    let state = states.get(container)
    if (!state) states.set(container, (state = loadState(sr.req.world, sr.whose, container)))
    return (await deleteObject(sub, await state)).status
  } catch (error) {
    return statusOfError(sr, error)
  }
}

/** The names in a body. Throws 413 for more than may be deleted at once, 400 for a line that no name can fill. */
async function readNames(body: AsyncIterable<Buffer>): Promise<Doomed[]> {
  const names: Doomed[] = []
  const add = (line: Buffer) => {
    if (line.length > mostLineBytes) refuse(400, 'Invalid File Name')
    const text = line.toString('latin1').trim()
    if (text === '') return
    const name = text.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    names.push({ name: Buffer.from(name, 'latin1') })
    if (names.length > mostDeletes) refuse(413, `Maximum Bulk Deletes: ${mostDeletes} per request`)
  }
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, from)) {
      add(rest.subarray(from, end))
      from = end + 1
    }
    rest = rest.subarray(from)
    if (rest.length > mostLineBytes) refuse(400, 'Invalid File Name')
  }
  add(rest)
  return names
}
