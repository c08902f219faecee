// Many operations in one request. The reply begins with 200 before they are done; what became of them stands in its body,
// and blanks before it keep the connection alive meanwhile.
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '#lib/fault.ts'
import { statusNames, statusOf } from '#lib/http/status.ts'
import { type Answer, escapeMarkup, statusOfFault } from './answer.ts'
import { type Format, readFormat } from './lists.ts'
import type { SwiftRequest } from './request.ts'

/** What a bulk operation has come to. `body` says why it ended as a whole; `errors`: a quoted name, and what befell it. */
export interface Outcome {
  status: number
  body: string
  counts: Record<string, number>
  errors: [name: string, status: string][]
}

/** A bulk request ends when so many of its operations have failed. */
export const mostFailures = 1000
const yieldMs = 10_000
const typeOf: Record<Format, string> = {
  plain: 'text/plain; charset=UTF-8',
  json: 'application/json; charset=UTF-8',
  xml: 'application/xml; charset=UTF-8',
}
// as Swift words them, where Node has other words
const reasons: Record<number, string> = { 413: 'Request Entity Too Large', 416: 'Requested Range Not Satisfiable' }

export function statusLine(status: number): string {
  return `${status} ${reasons[status] ?? statusNames[status] ?? ''}`.trim()
}

/** The status of an error of one of the operations; what is nobody's fault is logged. */
export function statusOfError(sr: SwiftRequest, error: unknown): number {
  if (error instanceof Fault) return statusOfFault(error, statusOf[error.kind])
  sr.req.log.error({ err: error }, 'one of many operations failed')
  return 500
}

/** The reply to a bulk request; `work` fills in the outcome, and may end it by a Fault. */
export function bulkAnswer(
  sr: SwiftRequest,
  root: 'delete' | 'extract',
  outcome: Outcome,
  work: (outcome: Outcome) => Promise<void>,
): Answer {
  let format: Format = 'plain'
  const working = (async () => {
    format = readFormat(sr)
    await work(outcome)
  })().catch((error: unknown) => {
    outcome.status = statusOfError(sr, error)
    outcome.body = error instanceof Fault ? error.message : ''
  })
  const body = working.then(() => render(format, root, outcome))
  return { status: 200, headers: { 'Content-Type': typeOf[format] }, body: whileWorking(body, format) }
}

/** The text when it is there, and until then a blank now and then. */
export function whileWorking(body: Promise<string>, format: Format, everyMs = yieldMs): Readable {
  const declaration = format === 'xml' ? '<?xml version="1.0" encoding="UTF-8"?>\n' : ''
  async function* all(): AsyncIterable<Buffer> {
    for (let head = declaration, blanks = 0; ; head = '', blanks++) {
      const waiting = new AbortController()
      const text = await Promise.race([
        body,
        delay(everyMs, undefined, { signal: waiting.signal }).catch(() => undefined),
      ])
      waiting.abort()
      if (text !== undefined) return yield Buffer.from(head + (blanks > 0 ? '\r\n\r\n' : '') + text)
      yield Buffer.from(`${head} `)
    }
  }
  return Readable.from(all(), { objectMode: false })
}

function render(format: Format, root: string, { status, body, counts, errors }: Outcome): string {
  const facts: Record<string, string | number> = {
    ...counts,
    'Response Body': body,
    'Response Status': statusLine(status),
  }
  if (format === 'json') return JSON.stringify({ ...facts, Errors: errors })
  const sorted = Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (format === 'plain')
    return [
      ...sorted.map(([name, value]) => `${name}: ${value}\n`),
      'Errors:\n',
      ...errors.map(([name, said]) => `${name}, ${said}\n`),
    ].join('')
  const shown = sorted.map(([name, value]) => {
    const tag = name.replaceAll(' ', '_').toLowerCase()
    return `<${tag}>${escapeMarkup(String(value))}</${tag}>\n`
  })
  const failed = errors.map(
    ([name, said]) => `<object><name>${escapeMarkup(name)}</name><status>${escapeMarkup(said)}</status></object>\n`,
  )
  return `<${root}>\n${shown.join('')}<errors>\n${failed.join('')}</errors>\n</${root}>\n`
}

/** Bytes as the replies name them: percent-encoded but for slashes and what never needs it. */
export function quote(name: Buffer | string): string {
  const bytes = typeof name === 'string' ? Buffer.from(name) : name
  return bytes
    .toString('latin1')
    .replaceAll(/[^\w.~/-]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
