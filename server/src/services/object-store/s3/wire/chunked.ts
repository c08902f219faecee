// aws-chunked bodies: `<size in hex>[;chunk-signature=…]\r\n<bytes>\r\n`, the last of size 0, then trailers
// (docs.aws.amazon.com, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks").
import { createHash, type Hash } from 'node:crypto'
import type { Signature } from './authenticate.ts'
import { refuse } from './errors.ts'
import { sameSignature, scopeText, sha256Hex, signText } from './sigv4.ts'

const longestLine = 4096
const mostTrailers = 32
const mostChunkBytes = 1 << 30
const nothingHash = sha256Hex('')

/**
 * The bytes of an aws-chunked body. Each chunk's signature is checked when the chunk is complete, so a reader must not act on
 * what it got before the end. `trailer` is called for each trailing header.
 */
export async function* dechunk(
  data: AsyncIterable<Buffer>,
  options: { signed: Signature | undefined; trailers: boolean; trailer: (name: string, value: string) => void },
): AsyncIterable<Buffer> {
  const { signed, trailers, trailer } = options
  const source = reader(data)
  let previous = signed?.signature ?? ''
  for (;;) {
    const { size, signature } = readHead(await source.line(), signed !== undefined)
    const sha256: Hash | undefined = signed && createHash('sha256')
    let left = size
    while (left > 0) {
      const part = await source.upTo(left)
      left -= part.length
      sha256?.update(part)
      yield part
    }
    if (signed) {
      const text = `AWS4-HMAC-SHA256-PAYLOAD\n${signed.time}\n${scopeText(signed.scope)}\n${previous}\n${nothingHash}\n${sha256!.digest('hex')}`
      previous = requireSame(signText(signed.key, text), signature)
    }
    if (size === 0) break
    if ((await source.line()) !== '') refuse('InvalidRequest', 'A chunk of the body is longer than it says.')
  }
  let signedText = ''
  let given = ''
  for (let count = 0; ; count++) {
    const line = await source.line({ endIsEmpty: true })
    if (line === '') break
    if (!trailers || count === mostTrailers) refuse('InvalidRequest', 'The body has trailers that were not announced.')
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (colon < 1) refuse('InvalidRequest', 'A trailer of the body cannot be read.')
    if (name === 'x-amz-trailer-signature') given = value
    else {
      signedText += `${name}:${value}\n`
      trailer(name, value)
    }
  }
  if (signed && trailers) {
    const text = `AWS4-HMAC-SHA256-TRAILER\n${signed.time}\n${scopeText(signed.scope)}\n${previous}\n${sha256Hex(signedText)}`
    requireSame(signText(signed.key, text), given)
  }
  await source.end()
}

function requireSame(right: string, given: string): string {
  return sameSignature(right, given) ? right : refuse('SignatureDoesNotMatch')
}

function readHead(line: string, signed: boolean): { size: number; signature: string } {
  const found = /^([0-9a-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line)
  if (!found || (signed && found[2] === undefined)) refuse('InvalidRequest', 'The head of a chunk cannot be read.')
  const size = Number.parseInt(found[1]!, 16)
  if (size > mostChunkBytes) refuse('InvalidRequest', 'A chunk of the body is too large.')
  return { size, signature: found[2] ?? '' }
}

/** Lines and bytes of a stream of buffers. */
function reader(data: AsyncIterable<Buffer>) {
  const source = data[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  const more = async () => {
    const begin = Buffer.from(rest) // of a line: its piece is over when the next one is asked for
    const got = await source.next()
    if (!got.done) rest = begin.length === 0 ? got.value : Buffer.concat([begin, got.value])
    return !got.done
  }
  return {
    /** One line without its end. Throws IncompleteBody when there is none (where the end of all is not as good). */
    async line(options: { endIsEmpty?: boolean } = {}): Promise<string> {
      for (;;) {
        const end = rest.indexOf('\r\n')
        if (end > longestLine || (end < 0 && rest.length > longestLine))
          refuse('InvalidRequest', 'A line between the chunks of the body is too long.')
        if (end >= 0) {
          const line = rest.toString('latin1', 0, end)
          rest = rest.subarray(end + 2)
          return line
        }
        if (await more()) continue
        return options.endIsEmpty && rest.length === 0 ? '' : refuse('IncompleteBody')
      }
    },
    /** Between 1 and `most` bytes. */
    async upTo(most: number): Promise<Buffer> {
      while (rest.length === 0) if (!(await more())) refuse('IncompleteBody')
      const part = rest.subarray(0, most)
      rest = rest.subarray(part.length)
      return part
    },
    async end(): Promise<void> {
      while (rest.length === 0) if (!(await more())) return
      refuse('InvalidRequest', 'The body goes on behind its last chunk.')
    },
  }
}
