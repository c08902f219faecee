// The object store by both of its doors, for tests that kill it: what comes back is an answer, whole, or none.
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export type Door = 'swift' | 's3'
export interface Reply {
  /** 0: none came, or not all of it. */
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}
export interface Ask {
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Buffer | string
}
export interface ObjectClient {
  /** `path`: of a container, or of an object in it. Asks again while nobody takes the request: nothing can have come of it. */
  send(door: Door, method: string, path: string, ask?: Ask): Promise<Reply>
  /** What the requests met. */
  readonly met: { slowestMs: number; hung: number; statuses: Record<string, number> }
}
export interface Doors {
  port: number
  s3Port: number
  token: string
  projectId: string
  keys: { access: string; secret: string }
}

const patienceMs = 120_000

export function objectClient({ port, s3Port, token, projectId, keys }: Doors): ObjectClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const met: ObjectClient['met'] = { slowestMs: 0, hung: 0, statuses: {} }

  async function sendOnce(door: Door, method: string, path: string, { query = {}, headers = {}, body }: Ask) {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const text = queryText(query)
    const outgoing = request({
      ...{ host: '127.0.0.1', agent, method, timeout: patienceMs },
      ...(door === 'swift'
        ? { port, path: `/object-store/v1/AUTH_${projectId}/${path}${text && `?${text}`}` }
        : { port: s3Port, path: `/${path}${text && `?${text}`}` }),
      headers: {
        ...(bytes && { 'content-type': 'application/octet-stream' }),
        ...(method !== 'GET' && { 'content-length': String(bytes?.length ?? 0) }),
        ...(door === 'swift'
          ? { 'x-auth-token': token, ...headers }
          : signed(keys, `127.0.0.1:${s3Port}`, method, path, text, headers)),
      },
    })
    outgoing.once('timeout', () => {
      met.hung++
      outgoing.destroy(new Error('no answer in two minutes'))
    })
    outgoing.on('error', () => {}) // seen by `once`, or of a body that nobody reads any more
    outgoing.end(bytes)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    const received = await buffer(incoming)
    const length = incoming.headers['content-length']
    if (method !== 'HEAD' && length !== undefined && Number(length) !== received.length) throw new Error('broke off')
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: received }
  }

  return {
    met,
    async send(door, method, path, ask = {}) {
      let began = performance.now()
      let reply: Reply | undefined
      while (!reply) {
        try {
          reply = await sendOnce(door, method, path, ask)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') {
            await delay(20)
            began = performance.now()
          } else reply = { status: 0, headers: {}, body: Buffer.alloc(0) }
        }
      }
      met.slowestMs = Math.max(met.slowestMs, Math.round(performance.now() - began))
      // who is told that it is not possible now waits a little
      if (reply.status === 503) await delay(50)
      const kind = `${door} ${reply.status}`
      met.statuses[kind] = (met.statuses[kind] ?? 0) + 1
      return reply
    },
  }
}

const quote = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const queryText = (query: Record<string, string>) =>
  Object.entries(query)
    .map(([name, value]) => `${quote(name)}=${quote(value)}`)
    .toSorted()
    .join('&')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** AWS signature version 4 of host, time and what S3 wants signed; nobody vouches for the body. */
function signed(
  keys: Doors['keys'],
  host: string,
  method: string,
  path: string,
  query: string,
  given: Ask['headers'] = {},
) {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/local/s3/aws4_request`
  const headers: Record<string, string> = {
    ...given,
    host,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': time,
  }
  const names = Object.keys(headers).toSorted()
  const canonical = [
    ...[method, `/${path}`, query],
    ...[...names.map((name) => `${name}:${headers[name]}`), ''],
    ...[names.join(';'), 'UNSIGNED-PAYLOAD'],
  ].join('\n')
  const key = scope.split('/').reduce<string | Buffer>((made, part) => hmac(made, part), `AWS4${keys.secret}`)
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
  const signature = hmac(key, text).toString('hex')
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${keys.access}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return headers
}
