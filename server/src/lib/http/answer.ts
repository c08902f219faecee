// Writes what a request is answered: a reply, a bare one, or a fault in its service's envelope.
import { randomUUID } from 'node:crypto'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { type Config, publicUrl } from '#lib/config.ts'
import { Fault } from '#lib/fault.ts'
import type { Service } from '#lib/http/route.ts'
import { statusOf } from '#lib/http/status.ts'
import type { Pieces } from '#lib/pieces.ts'

export function send(res: FastifyReply, status: number, content: unknown): FastifyReply {
  res.code(status)
  if (content === undefined) return res.send()
  if (typeof content === 'string' || Buffer.isBuffer(content) || isReadable(content)) return res.send(content)
  // a Buffer, for Node would make room for three bytes a character of a string
  return res.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(content)))
}

// Past Fastify, which takes headers away from replies that have no body.
export function sendBare(
  res: FastifyReply,
  status: number,
  headers: Record<string, string>,
  content: unknown,
): FastifyReply {
  const own = res.getHeaders() as OutgoingHttpHeaders
  res.hijack()
  const out = res.raw
  out.writeHead(status, { ...own, ...headers })
  // when the source fails the client must see it: the connection ends before the length that was promised
  if (isReadable(content)) pipeline(content, out, () => {})
  else if (isPieces(content)) void sendPieces(content, out)
  else if (content === undefined) out.end()
  else out.end(content)
  return res
}

function isReadable(content: unknown): content is Readable {
  return typeof (content as Readable | null)?.pipe === 'function'
}

export function isPieces(content: unknown): content is Pieces {
  return typeof content === 'object' && content !== null && Symbol.asyncIterator in content
}

/**
 * Sends one piece after the other, each when the one before is in the kernel's hands. Never rejects: when the source fails the
 * connection ends, when the client goes the source is closed.
 */
export async function sendPieces(pieces: Pieces, out: ServerResponse): Promise<void> {
  let stop: ((because: Error) => void) | undefined
  out.once('close', () => stop?.(new Error('the client went away')))
  const write = (piece: Buffer) =>
    new Promise<void>((resolve, reject) => {
      stop = reject
      out.write(piece, (error) => (error ? reject(error) : resolve()))
    })
  try {
    for await (const piece of pieces) await write(piece)
    out.end()
  } catch {
    out.destroy()
  }
}

const internal = new Fault('unavailable', 'An unexpected error prevented the server from fulfilling your request.')

export function writeFault(
  res: FastifyReply,
  service: Service | undefined,
  fault: Fault | undefined,
  config: Config,
  requestId?: string,
): FastifyReply {
  const status = fault ? (service?.statuses?.[fault.kind] ?? statusOf[fault.kind]) : 500
  const shown =
    fault ?? (requestId ? new Fault('unavailable', `${internal.message} The request id is ${requestId}.`) : internal)
  const shownId = requestId ?? `req-${randomUUID()}`
  const { body, headers = {} } = service?.envelope(shown, status, shownId) ?? {
    body: { error: { code: status, message: shown.message } },
  }
  if (status === 401) res.header('www-authenticate', `Keystone uri="${publicUrl(config)}/identity"`)
  if (shown.kind === 'tooLarge') res.header('connection', 'close') // the rest of the body is not read
  res.code(status).headers(headers)
  if (!requestId) res.header('x-openstack-request-id', shownId)
  return res
    .header('content-type', headers['content-type'] ?? 'application/json')
    .send(typeof body === 'string' ? body : JSON.stringify(body))
}
