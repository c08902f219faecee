// What a GET of an object gives: its own bytes, or those of the segments that it names.
import { createHash } from 'node:crypto'
import { inTurn, type Pieces } from '#lib/pieces.ts'
import type { World } from '#lib/world.ts'
import { BlobMissing } from '../backend/contract.ts'
import { findContainer, type Whose } from '../containers.ts'
import { listObjects } from '../listing.ts'
import type { Segment, StoredObject } from '../model.ts'
import { findObject, readBytes } from '../store/read.ts'
import { refuse } from './answer.ts'
import { parseRanges, type Range } from './ranges.ts'

export interface Content {
  size: number
  /** As it stands in the header: that of a large object is in quotes. */
  etag: string
  open(range: Range): Promise<Buffer | Pieces>
}

interface Piece {
  size: number
  open(range: Range): Promise<Buffer | Pieces>
}

const deepest = 10
const mostSegments = 100_000

/** `customerKey`: of an object, or of segments, that are encrypted with one. */
export async function contentOf(
  world: World,
  whose: Whose,
  object: StoredObject,
  depth = 0,
  customerKey?: Buffer,
): Promise<Content> {
  const manifest = object.headers['x-object-manifest']
  if (object.kind === 'slo' && object.manifest && 'segments' in object.manifest) {
    const pieces = object.manifest.segments.map((segment) => segmentPiece(world, whose, segment, depth))
    return { size: object.size, etag: `"${object.etag}"`, open: joined(pieces) }
  }
  if (manifest !== undefined) return dynamic(world, whose, decodeURIComponent(manifest))
  return { size: object.size, etag: object.etag, open: ownBytes(world, object, customerKey) }
}

/** The bytes of this object; when it was replaced since it was looked up, of what is there now if that is the same. */
function ownBytes(world: World, object: StoredObject, customerKey?: Buffer): Piece['open'] {
  return async ({ start, end }) => {
    try {
      return await readBytes(world, object, start, end, customerKey)
    } catch (error) {
      if (!(error instanceof BlobMissing)) throw error
      const now = await findObject(world.db, object.containerId, object.name)
      if (now?.etag !== object.etag || now.size !== object.size)
        refuse(503, 'The object was replaced while it was read; try again.')
      return readBytes(world, now, start, end, customerKey)
    }
  }
}

async function findByPath(world: World, whose: Whose, path: string): Promise<StoredObject | undefined> {
  const slash = path.indexOf('/', 1)
  const [container, name] = [path.slice(1, slash), path.slice(slash + 1)]
  const found = await findContainer(world.db, whose, container)
  return found && findObject(world.db, found.id, name)
}

/** How many bytes of a segment belong to the large object, and from where. */
export function segmentRange(segment: Pick<Segment, 'range' | 'size'>): Range {
  const range = segment.range === undefined ? undefined : parseRanges(`bytes=${segment.range}`, segment.size)
  return Array.isArray(range) ? range[0]! : { start: 0, end: segment.size - 1 }
}

function segmentPiece(world: World, whose: Whose, segment: Segment, depth: number): Piece {
  if (segment.data !== undefined) {
    const data = Buffer.from(segment.data, 'base64')
    return { size: data.length, open: async ({ start, end }) => data.subarray(start, end + 1) }
  }
  const { start: first, end: last } = segmentRange(segment)
  return {
    size: last - first + 1,
    async open({ start, end }) {
      if (depth > deepest) refuse(409, 'Segments of segments of segments: too deep.')
      const object = await findByPath(world, whose, segment.path)
      if (!object || object.etag !== segment.etag || object.size !== segment.size)
        refuse(409, `The segment ${segment.path} is not what it was when the manifest was made.`)
      const content = await contentOf(world, whose, object, depth + 1)
      return content.open({ start: first + start, end: first + end })
    },
  }
}

async function dynamic(world: World, whose: Whose, path: string): Promise<Content> {
  const clean = path.replace(/^\//, '')
  const slash = clean.indexOf('/')
  const container = await findContainer(world.db, whose, clean.slice(0, slash))
  const md5 = createHash('md5')
  const pieces: Piece[] = []
  let [size, marker] = [0, '']
  while (container && pieces.length < mostSegments) {
    const page = { prefix: clean.slice(slash + 1), marker, endMarker: '', delimiter: '', limit: 1000, reverse: false }
    const rows = await listObjects(world.db, container.id, page)
    for (const row of rows) {
      if ('subdir' in row) continue
      md5.update(row.etag)
      size += row.size
      pieces.push({
        size: row.size,
        async open(range) {
          const object = await findObject(world.db, container.id, row.name)
          if (!object || object.size !== row.size) refuse(409, `The segment ${row.name} was replaced.`)
          // a manifest among the segments gives its own bytes: there are none to follow it to
          if (object.kind === 'slo') return (await contentOf(world, whose, object, 1)).open(range)
          return ownBytes(world, object)(range)
        },
      })
      marker = row.name
    }
    if (rows.length < page.limit) break
  }
  return { size, etag: `"${md5.digest('hex')}"`, open: joined(pieces) }
}

function joined(pieces: Piece[]): Piece['open'] {
  return async ({ start, end }) => {
    const wanted: { piece: Piece; range: Range }[] = []
    let at = 0
    for (const piece of pieces) {
      const range = { start: Math.max(start - at, 0), end: Math.min(end - at, piece.size - 1) }
      if (range.start <= range.end) wanted.push({ piece, range })
      at += piece.size
    }
    const [head, ...rest] = wanted
    if (!head) return Buffer.alloc(0)
    // what is wrong with the first segment is said before the reply begins
    const opened = await head.piece.open(head.range)
    if (rest.length === 0) return opened
    return inTurn(
      opened,
      rest.map(
        ({ piece, range }) =>
          () =>
            piece.open(range),
      ),
    )
  }
}
