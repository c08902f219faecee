// For tests: a real HTTP server that speaks the little of S3 that the backend asks for, and checks every signature with
// arithmetic of its own.
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

interface Upload {
  key: string
  at: Date
  parts: Map<number, Buffer>
}

export async function startService(t: TestContext, keys: { accessKey: string; secretKey: string; region: string }) {
  const objects = new Map<string, { data: Buffer; parts: number; at: Date }>()
  const uploads = new Map<string, Upload>()
  let failures: { status: number; code: string }[] = []
  const server = createServer((req, res) => {
    answer(req, res).catch((error: unknown) => res.destroy(error as Error))
  })

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req)
    const end = (status: number, text = '', headers: Record<string, string> = {}) =>
      void res.writeHead(status, headers).end(text)
    const refuse = (status: number, code: string) => end(status, `<Error><Code>${code}</Code></Error>`)
    if (!isSigned(req, body, keys)) return refuse(403, 'SignatureDoesNotMatch')
    const failure = failures.shift()
    if (failure) return refuse(failure.status, failure.code)
    const url = new URL(req.url!, 'http://x')
    const [, bucket, ...rest] = url.pathname.split('/').map(decodeURIComponent)
    if (bucket !== 'blobs') return refuse(404, 'NoSuchBucket')
    const key = rest.join('/')
    const query = url.searchParams
    const uploadId = query.get('uploadId')
    if (key === '')
      return req.method === 'HEAD' ? end(200) : query.has('uploads') ? end(200, listUploads()) : end(200, list(query))
    if (req.method === 'POST' && query.has('uploads')) return end(200, `<X><UploadId>${begin(key)}</UploadId></X>`)
    if (uploadId !== null) {
      const upload = uploads.get(uploadId)
      if (!upload) return refuse(404, 'NoSuchUpload')
      if (req.method === 'PUT') upload.parts.set(Number(query.get('partNumber')), body)
      else uploads.delete(uploadId)
      if (req.method === 'POST') {
        const named = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, n]) => Number(n))
        objects.set(key, {
          data: Buffer.concat(named.map((n) => upload.parts.get(n)!)),
          parts: named.length,
          at: new Date(),
        })
      }
      return end(200, '<X/>', { etag: '"tag"' })
    }
    if (req.method === 'PUT') {
      objects.set(key, { data: body, parts: 1, at: new Date() })
      return end(200)
    }
    if (req.method === 'DELETE') {
      objects.delete(key)
      return end(204)
    }
    const found = objects.get(key)
    if (!found) return refuse(404, 'NoSuchKey')
    if (req.method === 'HEAD') return end(200, '', { 'content-length': String(found.data.length) })
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range!)!
    const part = found.data.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
    res.writeHead(206, { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${found.data.length}` })
    res.end(part)
  }

  function begin(key: string): string {
    const id = String(uploads.size + 1)
    uploads.set(id, { key, at: new Date(), parts: new Map() })
    return id
  }
  function list(query: URLSearchParams): string {
    const all = [...objects]
      .filter(([key]) => key.startsWith(query.get('prefix') ?? ''))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    const after = query.get('continuation-token') ?? ''
    const page = all.filter(([key]) => key > after).slice(0, 3)
    const more = all.at(-1)?.[0] !== page.at(-1)?.[0]
    const contents = page.map(
      ([key, { at }]) => `<Contents><Key>${key}</Key><LastModified>${at.toISOString()}</LastModified></Contents>`,
    )
    return `<X>${contents.join('')}<IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${page.at(-1)![0]}</NextContinuationToken>` : ''}</X>`
  }
  function listUploads(): string {
    const all = [...uploads].map(
      ([id, { key, at }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
    )
    return `<X>${all.join('')}<IsTruncated>false</IsTruncated></X>`
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    begin,
    keys: () => [...objects.keys()],
    partsOf: (key: string) => objects.get(key)?.parts,
    uploads: () => uploads.size,
    change: (key: string, change: (stored: Buffer) => void) => change(objects.get(key)!.data),
    /** The next so many requests fail. */
    fail(times: number, status: number, code: string) {
      failures = Array.from({ length: times }, () => ({ status, code }))
    },
  }
}

function isSigned(
  req: IncomingMessage,
  body: Buffer,
  keys: { accessKey: string; secretKey: string; region: string },
): boolean {
  const given =
    /^AWS4-HMAC-SHA256 Credential=(\S+?)\/(\d{8})\/(\S+?)\/s3\/aws4_request, SignedHeaders=(\S+), Signature=(\w+)$/.exec(
      req.headers.authorization ?? '',
    )
  if (!given) return false
  const [, accessKey, day, region, names, signature] = given as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const bodyHash = createHash('sha256').update(body).digest('hex')
  if (accessKey !== keys.accessKey || region !== keys.region || req.headers['x-amz-content-sha256'] !== bodyHash)
    return false
  if (!names.split(';').includes('host') || !names.split(';').includes('x-amz-date')) return false
  const [path, query = ''] = req.url!.split('?')
  const lines = names.split(';').map((name) => `${name}:${String(req.headers[name])}\n`)
  const canonical = `${req.method}\n${path}\n${query.split('&').toSorted().join('&')}\n${lines.join('')}\n${names}\n${bodyHash}`
  const time = String(req.headers['x-amz-date'])
  if (time.slice(0, 8) !== day) return false
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${createHash('sha256').update(canonical).digest('hex')}`
  let key: Buffer | string = `AWS4${keys.secretKey}`
  for (const part of [day, region, 's3', 'aws4_request', toSign]) key = createHmac('sha256', key).update(part).digest()
  return (key as Buffer).toString('hex') === signature
}
