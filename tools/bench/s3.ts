// Signs requests for the S3 API (AWS Signature Version 4, path style, the body's hash in the header), as an SDK does.
import { createHash, createHmac } from 'node:crypto'

export interface Keys {
  access: string
  secret: string
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const quote = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

export type Signer = (
  method: string,
  path: string,
  query?: Record<string, string>,
  body?: Buffer,
) => { path: string; headers: Record<string, string> }

/** `host`: with the port, as it stands in the header. */
export function signer({ access, secret }: Keys, host: string, region: string): Signer {
  let day = ''
  let key: Buffer
  return (method, path, query = {}, body) => {
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
    if (day !== time.slice(0, 8)) {
      day = time.slice(0, 8)
      key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request')
    }
    const headers = { host, 'x-amz-content-sha256': sha256(body ?? ''), 'x-amz-date': time }
    const names = Object.keys(headers).join(';')
    const quoted = path.split('/').map(quote).join('/')
    const search = Object.entries(query)
      .map(([name, value]) => `${quote(name)}=${quote(value)}`)
      .toSorted()
      .join('&')
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
    const canonical = [method, quoted, search, lines.join(''), names, headers['x-amz-content-sha256']].join('\n')
    const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=${access}/${scope}, SignedHeaders=${names}, Signature=${signature}`
    return { path: search === '' ? quoted : `${quoted}?${search}`, headers: { ...headers, authorization } }
  }
}
