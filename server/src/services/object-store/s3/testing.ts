// A client of the S3 API for tests: it signs by itself (not with the code that is tested) and shows replies as they are.
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Config } from '#lib/config.ts'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import type { Persona } from '#lib/testing/personas.ts'

export interface Keys {
  access: string
  secret: string
}
export interface S3Reply {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  /** The texts of all elements of that name. */
  all(element: string): string[]
  /** The first of them; '' when there is none. */
  the(element: string): string
}
export interface S3Call {
  headers?: Record<string, string>
  body?: Buffer | string
  /** Decoded pairs. */
  query?: Record<string, string>
  host?: string
  /** Changes what is sent, after it was signed. */
  tamper?: (sent: { path: string; headers: Record<string, string>; body: Buffer }) => void
  at?: Date
  region?: string
  /** How the bytes are vouched for. */
  payload?: 'hash' | 'unsigned' | 'chunks' | 'chunks-trailer' | 'unsigned-trailer'
  trailers?: Record<string, string>
  chunkSize?: number
}
export interface S3Client {
  keys: Keys | undefined
  call(method: string, path: string, options?: S3Call): Promise<S3Reply>
  /** A signed URL, used. */
  presigned(method: string, path: string, options?: S3Call & { seconds?: number }): Promise<S3Reply>
}
export interface S3Cloud {
  cloud: TestCloud
  port: number
  /** With keys of that persona, or without any. */
  s3(who: Persona | 'anonymous'): Promise<S3Client>
}

export async function s3Cloud(t: Pick<TestContext, 'after'>, config: Partial<Config> = {}): Promise<S3Cloud> {
  const cloud = await testCloud(t, config)
  cloud.app.s3.listen(0, '127.0.0.1')
  await once(cloud.app.s3, 'listening')
  const { port } = cloud.app.s3.address() as AddressInfo
  return {
    cloud,
    port,
    async s3(who) {
      return client(port, who === 'anonymous' ? undefined : await makeKeys(cloud, who))
    },
  }
}

export async function makeKeys(cloud: TestCloud, who: Persona): Promise<Keys> {
  const { userId, projectId } = cloud.as(who)
  // a reader may make nothing, keys neither
  const made = await cloud
    .as(who === 'reader' ? 'admin' : who)
    .post(`/identity/v3/users/${userId}/credentials/OS-EC2`, { tenant_id: projectId })
  if (made.status !== 201) throw new Error(`no keys: ${made.text}`)
  return made.json.credential as Keys
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const quote = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const quotePath = (path: string) => path.split('/').map(quote).join('/')
const queryText = (query: Record<string, string>) =>
  Object.entries(query)
    .map(([name, value]) => `${quote(name)}=${quote(value)}`)
    .toSorted()
    .join('&')

export function client(port: number, keys: Keys | undefined): S3Client {
  const host = `127.0.0.1:${port}`
  return {
    keys,
    async call(method, path, options = {}) {
      const { query = {}, at = new Date(), region = 'local', payload = 'hash' } = options
      const bytes = Buffer.from(options.body ?? '')
      const time = at.toISOString().replaceAll(/[-:]|\.\d+/g, '')
      const sent = { path: quotePath(path), body: bytes as Buffer, headers: {} as Record<string, string> }
      const forms = {
        hash: sha256(bytes),
        unsigned: 'UNSIGNED-PAYLOAD',
        chunks: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'chunks-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      }
      const headers: Record<string, string> = { host: options.host ?? host }
      if (keys || payload !== 'hash') headers['x-amz-content-sha256'] = forms[payload]
      if (keys) headers['x-amz-date'] = time
      if (payload !== 'hash' && payload !== 'unsigned')
        Object.assign(headers, {
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': String(bytes.length),
        })
      if (options.trailers) headers['x-amz-trailer'] = Object.keys(options.trailers).join(',')
      for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value
      const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
      const key = keys && dayKey(keys, scope)
      let signature = ''
      if (keys && key) {
        const names = Object.keys(headers).toSorted()
        const canonical = [
          method,
          sent.path,
          queryText(query),
          ...names.map((name) => `${name}:${headers[name]!.trim().replaceAll(/ +/g, ' ')}`),
          '',
          names.join(';'),
          headers['x-amz-content-sha256'],
        ].join('\n')
        // header values are bytes here, as they are on the wire
        const hash = createHash('sha256').update(canonical, 'latin1').digest('hex')
        signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash}`).toString('hex')
        headers['authorization'] =
          `AWS4-HMAC-SHA256 Credential=${keys.access}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
      }
      if (payload !== 'hash' && payload !== 'unsigned')
        sent.body = chunked(
          bytes,
          options,
          payload === 'unsigned-trailer' ? undefined : { key: key!, time, scope, signature },
        )
      if (method !== 'GET' && method !== 'HEAD' && headers['transfer-encoding'] === undefined)
        headers['content-length'] ??= String(sent.body.length)
      sent.headers = headers
      options.tamper?.(sent)
      return send(port, method, sent.path + (Object.keys(query).length > 0 ? `?${queryText(query)}` : ''), sent)
    },
    async presigned(method, path, options = {}) {
      if (!keys) throw new Error('a signed URL needs keys')
      const { at = new Date(), seconds = 60, region = 'local' } = options
      const time = at.toISOString().replaceAll(/[-:]|\.\d+/g, '')
      const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
      const query: Record<string, string> = {
        ...options.query,
        'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
        'X-Amz-Credential': `${keys.access}/${scope}`,
        'X-Amz-Date': time,
        'X-Amz-Expires': String(seconds),
        'X-Amz-SignedHeaders': 'host',
      }
      const canonical = [
        method,
        quotePath(path),
        queryText(query),
        `host:${options.host ?? host}`,
        '',
        'host',
        'UNSIGNED-PAYLOAD',
      ].join('\n')
      query['X-Amz-Signature'] = hmac(
        dayKey(keys, scope),
        `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`,
      ).toString('hex')
      const body = Buffer.from(options.body ?? '')
      const headers = { host: options.host ?? host, 'content-length': String(body.length), ...options.headers }
      const sent = { path: quotePath(path), headers, body }
      options.tamper?.(sent)
      return send(port, method, `${sent.path}?${queryText(query)}`, sent)
    },
  }
}

function dayKey({ secret }: Keys, scope: string): Buffer {
  return scope.split('/').reduce<Buffer | string>((key, part) => hmac(key, part), `AWS4${secret}`) as Buffer
}

function chunked(
  bytes: Buffer,
  { trailers, chunkSize = 8192 }: S3Call,
  signer: { key: Buffer; time: string; scope: string; signature: string } | undefined,
): Buffer {
  const out: Buffer[] = []
  let previous = signer?.signature ?? ''
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) chunks.push(bytes.subarray(at, at + chunkSize))
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    let head = chunk.length.toString(16)
    if (signer) {
      const text = `AWS4-HMAC-SHA256-PAYLOAD\n${signer.time}\n${signer.scope}\n${previous}\n${sha256('')}\n${sha256(chunk)}`
      previous = hmac(signer.key, text).toString('hex')
      head += `;chunk-signature=${previous}`
    }
    out.push(Buffer.from(`${head}\r\n`), chunk)
    if (chunk.length > 0) out.push(Buffer.from('\r\n'))
  }
  const lines = Object.entries(trailers ?? {}).map(([name, value]) => `${name}:${value}`)
  if (trailers && signer) {
    const hash = sha256(lines.map((line) => `${line}\n`).join(''))
    const text = `AWS4-HMAC-SHA256-TRAILER\n${signer.time}\n${signer.scope}\n${previous}\n${hash}`
    lines.push(`x-amz-trailer-signature:${hmac(signer.key, text).toString('hex')}`)
  }
  out.push(Buffer.from(lines.map((line) => `${line}\r\n`).join('')), Buffer.from('\r\n'))
  return Buffer.concat(out)
}

async function send(
  port: number,
  method: string,
  path: string,
  { headers, body }: { headers: Record<string, string>; body: Buffer },
): Promise<S3Reply> {
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
  outgoing.on('error', () => {})
  if (headers['expect'] === undefined) outgoing.end(body)
  else outgoing.once('continue', () => outgoing.end(body)).flushHeaders()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part)
  outgoing.destroy()
  const bytes = Buffer.concat(parts)
  const text = bytes.toString('utf8')
  const all = (element: string) =>
    [...text.matchAll(new RegExp(`<${element}(?: [^>]*)?>([^<]*)<`, 'g'))].map((m) => m[1]!)
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    bytes,
    text,
    all,
    the: (element) => all(element)[0] ?? '',
  }
}
