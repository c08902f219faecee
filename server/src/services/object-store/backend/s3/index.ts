// Blobs as objects of a bucket of an S3 service (Ceph RGW, MinIO, AWS, another Pileus): in the same blocks as on a disk, so
// that what comes back is verified. How many copies there are, and that they stay right, is the service's own affair.
import { text } from 'node:stream/consumers'
import { begun } from '#lib/pieces.ts'
import { blocksOf, intoBlocks, outOfBlocks, storedBlock } from '../block.ts'
import { type Backend, BlobCorrupt, BlobMissing } from '../contract.ts'
import { type Ask, type Send, sender } from './request.ts'

export interface S3Options {
  name: string
  endpoint: string
  bucket: string
  accessKey: string
  secretKey: string
  region?: string
  prefix?: string
}

// of an upload there are two parts in memory: one on its way, one that fills; 10,000 of them may be
const partBytes = 8 * 2 ** 20
const blocksAtOnce = 16

export function s3Backend(options: S3Options): Backend {
  const { name, region = 'us-east-1', prefix = '' } = options
  const send = sender({ ...options, region })
  const keyOf = (id: string) => `${prefix}${id}`
  const idOf = (key: string) => key.slice(prefix.length)
  return {
    name,
    write: (id, data) => writeBlob(send, id, keyOf(id), data),
    async read(id, range) {
      const { first, last, skip } = blocksOf(range?.start ?? 0, range?.end ?? 0)
      const to = range ? (last + 1) * storedBlock - 1 : ''
      const reply = await send({
        ...{ method: 'GET', key: keyOf(id), fine: [404, 416] },
        headers: { range: `bytes=${first * storedBlock}-${to}` },
      })
      const total = Number(/\/(\d+)$/.exec(reply.headers['content-range'] ?? '')?.[1])
      if (reply.statusCode !== 206 || !Number.isInteger(total)) {
        reply.destroy()
        throw reply.statusCode === 404 ? new BlobMissing(id) : new BlobCorrupt(id)
      }
      const wanted = range && range.end - range.start + 1
      // what is wrong with the first bytes is said before there is a stream
      return begun(cut(fromBlocks(id, reply, first, Math.ceil(total / storedBlock)), skip, wanted))
    },
    async remove(id) {
      await drained(send, { method: 'DELETE', key: keyOf(id), fine: [404] })
    },
    async *list() {
      for await (const found of pages(send, { 'list-type': '2', prefix }, 'Contents', continued))
        yield { id: idOf(found['Key'] ?? ''), changedAtMs: Date.parse(found['LastModified'] ?? '') }
    },
    async removeUnfinished(olderThanMs) {
      let removed = 0
      for await (const found of pages(send, { uploads: '', prefix }, 'Upload', afterUpload)) {
        if (Date.now() - Date.parse(found['Initiated'] ?? '') < olderThanMs) continue
        await abort(send, found['Key'] ?? '', found['UploadId'] ?? '')
        removed++
      }
      return removed
    },
    async check(id) {
      const reply = await send({ method: 'HEAD', key: keyOf(id), fine: [404] })
      reply.resume()
      return { state: reply.statusCode === 404 ? 'missing' : 'whole', repaired: 0 }
    },
    async places() {
      const available = await drained(send, { method: 'HEAD' }).then(
        () => true,
        () => false,
      )
      return [{ where: `${options.endpoint}/${options.bucket}/${prefix}`, available }]
    },
    wantsFilling: async () => false,
    filled: async () => {},
  }
}

async function writeBlob(send: Send, id: string, key: string, data: AsyncIterable<Buffer>): Promise<{ size: number }> {
  const blocks = intoBlocks(id)
  const etags: string[] = []
  let [body, filled] = [Buffer.allocUnsafeSlow(partBytes), 0]
  let uploadId: string | undefined
  let sending: Promise<void> | undefined
  const gather = async (pieces: Buffer[]) => {
    for (let piece of pieces)
      while (piece.length > 0) {
        if (filled === partBytes) {
          await sending
          sending = sendPart(body)
          sending.catch(() => {}) // seen at the next await
          ;[body, filled] = [Buffer.allocUnsafeSlow(partBytes), 0]
        }
        const part = piece.subarray(0, partBytes - filled)
        body.set(part, filled)
        filled += part.length
        piece = piece.subarray(part.length)
      }
  }
  const sendPart = async (part: Buffer) => {
    uploadId ??= tag(await drained(send, { method: 'POST', key, query: { uploads: '' } }), 'UploadId')
    const query = { partNumber: String(etags.length + 1), uploadId }
    const reply = await send({ method: 'PUT', key, query, body: part })
    reply.resume()
    etags.push(String(reply.headers.etag))
  }
  try {
    for await (const piece of data) await gather(blocks.add(piece))
    await gather(blocks.end())
    await sending
    if (uploadId === undefined) {
      await drained(send, { method: 'PUT', key, body: body.subarray(0, filled) })
      return { size: blocks.size }
    }
    await sendPart(body.subarray(0, filled))
    const parts = etags.map((etag, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    const list = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    const answer = await drained(send, { method: 'POST', key, query: { uploadId }, body: list })
    // this one request may fail with status 200
    if (answer.includes('<Error>')) throw new Error(`the upload could not be completed: ${tag(answer, 'Code')}`)
    return { size: blocks.size }
  } catch (error) {
    await sending?.catch(() => {})
    if (uploadId !== undefined) await abort(send, key, uploadId).catch(() => {})
    // the answer may have been lost, not the request
    await drained(send, { method: 'DELETE', key, fine: [404] }).catch(() => {})
    throw error
  }
}

/** The blob's bytes out of stored ones that begin at a block, verified. */
async function* fromBlocks(id: string, stored: AsyncIterable<Buffer>, first: number, total: number) {
  let [held, heldBytes, index]: [Buffer[], number, number] = [[], 0, first]
  const open = (bytes: number) => {
    const all = Buffer.concat(held)
    const blocks = Math.ceil(bytes / storedBlock)
    held = bytes < all.length ? [all.subarray(bytes)] : []
    heldBytes = all.length - bytes
    const plain = outOfBlocks(id, all.subarray(0, bytes), index, index + blocks === total)
    index += blocks
    return plain
  }
  for await (const chunk of stored) {
    held.push(chunk)
    heldBytes += chunk.length
    // the last block is opened at the end: it alone may be short
    if (heldBytes > blocksAtOnce * storedBlock) yield open(blocksAtOnce * storedBlock)
  }
  while (heldBytes > 0) yield open(Math.min(heldBytes, blocksAtOnce * storedBlock))
}

/** Without the first `skip` bytes, and no more than `most`. */
async function* cut(data: AsyncIterable<Buffer>, skip: number, most = Infinity): AsyncGenerator<Buffer, undefined> {
  let [toSkip, left] = [skip, most]
  for await (const chunk of data) {
    const piece = chunk.subarray(toSkip, toSkip + left)
    toSkip = Math.max(0, toSkip - chunk.length)
    left -= piece.length
    if (piece.length > 0) yield piece
  }
  if (most !== Infinity && left > 0) throw new BlobCorrupt('cut')
}

async function drained(send: Send, ask: Ask): Promise<string> {
  return text(await send(ask))
}

function abort(send: Send, key: string, uploadId: string): Promise<string> {
  return drained(send, { method: 'DELETE', key, query: { uploadId }, fine: [404] })
}

const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' }
function tag(xml: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
  return found.replaceAll(/&(?:lt|gt|quot|apos|amp);/g, (entity) => entities[entity]!)
}

type Next = (xml: string) => Record<string, string>
const continued: Next = (xml) => ({ 'continuation-token': tag(xml, 'NextContinuationToken') })
const afterUpload: Next = (xml) => ({
  'key-marker': tag(xml, 'NextKeyMarker'),
  'upload-id-marker': tag(xml, 'NextUploadIdMarker'),
})

/** The elements of a list, with what they say, page after page. */
async function* pages(send: Send, query: Record<string, string>, element: string, next: Next) {
  let more: Record<string, string> = {}
  for (;;) {
    const xml = await drained(send, { method: 'GET', query: { ...query, ...more } })
    for (const [, inside = ''] of xml.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, 'gs')))
      yield Object.fromEntries(
        ['Key', 'LastModified', 'UploadId', 'Initiated'].map((name) => [name, tag(inside, name)]),
      )
    if (tag(xml, 'IsTruncated') !== 'true') return
    more = next(xml)
  }
}
