// The bytes of a request as they were meant: chunks undone, and held to what x-amz-content-sha256 says of them.
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { piecesOf } from '#lib/pieces.ts'
import { type Signature, unsignedPayload } from './authenticate.ts'
import { dechunk } from './chunked.ts'
import { refuse } from './errors.ts'
import { type Element, readDocument } from './xml.ts'

export interface Body {
  /** May be read once. It throws, at the latest at its end, when the bytes are not those that were signed. */
  stream(): AsyncIterable<Buffer>
  /** How many there are to be; undefined when the client does not say. */
  readonly length: number | undefined
  /** Headers behind the body; there when the stream has ended. */
  readonly trailers: ReadonlyMap<string, string>
  /** Whether anybody has begun to read. */
  readonly begun: boolean
}

const chunkedForms: Record<string, { signed: boolean; trailers: boolean }> = {
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { signed: true, trailers: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { signed: true, trailers: true },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { signed: false, trailers: true },
}

/** Throws for a form of body that is not known. `waits`: the client sends nothing before it was told to go on. */
export function makeBody(
  raw: IncomingMessage,
  res: ServerResponse,
  signature: Signature | undefined,
  waits: boolean,
): Body {
  const form = signature?.payload ?? String(raw.headers['x-amz-content-sha256'] ?? unsignedPayload)
  const chunked = chunkedForms[form]
  if (form.startsWith('STREAMING-AWS4-ECDSA'))
    refuse('NotImplemented', 'Signature version 4A is not supported; use AWS4-HMAC-SHA256.')
  const sha256 = /^[0-9a-f]{64}$/.test(form) ? form : undefined
  if (!chunked && sha256 === undefined && form !== unsignedPayload)
    refuse(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    )
  if (chunked?.signed && !signature) refuse('AccessDenied', 'An anonymous request cannot have signed chunks.')
  const length = readLength(raw, chunked !== undefined)
  const trailers = new Map<string, string>()
  let begun = false
  return {
    length,
    trailers,
    get begun() {
      return begun
    },
    stream() {
      if (!begun && waits) res.writeContinue()
      begun = true
      const bytes = piecesOf(raw)
      if (chunked) {
        const trailer = (name: string, value: string) => void trailers.set(name, value)
        const signed = chunked.signed ? signature : undefined
        return measured(dechunk(bytes, { signed, trailers: chunked.trailers, trailer }), length)
      }
      return sha256 === undefined ? bytes : hashed(bytes, sha256)
    },
  }
}

function readLength(raw: IncomingMessage, chunked: boolean): number | undefined {
  const text = chunked ? raw.headers['x-amz-decoded-content-length'] : raw.headers['content-length']
  if (text === undefined) {
    if (chunked) refuse('MissingContentLength', 'You must provide the x-amz-decoded-content-length HTTP header.')
    return raw.headers['transfer-encoding'] === undefined ? 0 : undefined
  }
  return /^\d{1,15}$/.test(String(text))
    ? Number(text)
    : refuse('InvalidArgument', 'The length of the body cannot be read.')
}

async function* measured(data: AsyncIterable<Buffer>, length: number | undefined): AsyncIterable<Buffer> {
  let size = 0
  for await (const chunk of data) {
    size += chunk.length
    yield chunk
  }
  if (size !== length) refuse('IncompleteBody')
}

async function* hashed(data: AsyncIterable<Buffer>, expected: string): AsyncIterable<Buffer> {
  const sha256 = createHash('sha256')
  for await (const chunk of data) {
    sha256.update(chunk)
    yield chunk
  }
  const found = sha256.digest('hex')
  if (found !== expected)
    refuse('XAmzContentSHA256Mismatch', undefined, {
      ClientComputedContentSHA256: expected,
      S3ComputedContentSHA256: found,
    })
}

/** A small body, whole. Throws MaxMessageLengthExceeded, and BadDigest when it is not what Content-MD5 says. */
export async function readSmall(
  { body, header }: { body: Body; header(name: string): string | undefined },
  mostBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  const tooLong = () => refuse('MaxMessageLengthExceeded', undefined, { MaxMessageLengthBytes: String(mostBytes) })
  if ((body.length ?? 0) > mostBytes) tooLong()
  for await (const chunk of body.stream()) {
    size += chunk.length
    if (size > mostBytes) tooLong()
    chunks.push(Buffer.from(chunk))
  }
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  const expected = readMd5(header('content-md5'))
  if (expected !== undefined && createHash('md5').update(bytes).digest('hex') !== expected) refuse('BadDigest')
  return bytes
}

/** Content-MD5 as hex. Throws InvalidDigest. */
export function readMd5(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const bytes = Buffer.from(header, 'base64')
  return bytes.length === 16 && bytes.toString('base64') === header.trim()
    ? bytes.toString('hex')
    : refuse('InvalidDigest')
}

const smallDocument = 1 << 20

/** The body as XML with that root. Throws MalformedXML, and MissingRequestBodyError when there is none. */
export async function readXml(
  request: { body: Body; header(name: string): string | undefined },
  root: string,
  mostBytes = smallDocument,
): Promise<Element> {
  const bytes = await readSmall(request, mostBytes)
  return bytes.length === 0 ? refuse('MissingRequestBodyError') : readDocument(bytes, root)
}
