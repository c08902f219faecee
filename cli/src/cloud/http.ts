import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Trouble } from '../trouble.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

// Not imported: an `import` looks at all that node:http exports, and with that loads the machinery of fetch.
const { request: httpRequest } = process.getBuiltinModule('node:http')

interface Sent {
  method: string
  headers?: Record<string, string>
  /** A stream is passed on as it is read; its length belongs into the headers. */
  body?: string | Readable
  /** Where the body of a 2xx answer goes as it comes, in place of the reply's text. */
  to?: Writable
}

/**
 * One HTTP exchange. Not `fetch`: the supervisor lives long, and fetch's machinery stays with it for 15 MB. Ends with a
 * sentence when nobody answers.
 */
export async function exchange(url: string, { method, headers = {}, body = '', to }: Sent): Promise<Reply> {
  const open = url.startsWith('https:') ? (await import('node:https')).request : httpRequest
  const outgoing = open(url, { method, headers })
  const answer = Promise.withResolvers<IncomingMessage>()
  outgoing.on('response', answer.resolve).on('error', answer.reject)
  if (typeof body === 'string') outgoing.end(body)
  else pipeline(body, outgoing).catch(answer.reject)
  try {
    const incoming = await answer.promise
    const status = incoming.statusCode ?? 0
    const reply = { status, headers: incoming.headers }
    if (to && status >= 200 && status < 300) {
      await pipeline(incoming, to, { end: false })
      return { ...reply, text: '' }
    }
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk))
    return { ...reply, text: Buffer.concat(chunks).toString() }
  } catch (error) {
    throw new Trouble(`The cloud at ${new URL(url).origin} does not answer.`, 1, { cause: error })
  }
}
