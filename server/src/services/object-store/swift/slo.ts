// Static large objects: a manifest names its segments, with what they must be.
import { createHash } from 'node:crypto'
import { inArray, sql } from '#lib/db.ts'
import { objectContainer, type Segment, storedObject, type StoredObject } from '../model.ts'
import { type Answer, listDate, refuse } from './answer.ts'
import { segmentRange } from './content.ts'
import { parseRanges } from './ranges.ts'
import type { SwiftRequest } from './request.ts'

const mostSegments = 1000
export const manifestBytes = 8 << 20

interface Asked {
  path?: string
  etag?: string | null
  size_bytes?: number | null
  range?: string | null
  data?: string
}

/** Checks a manifest against the objects it names. Throws 400 with a list of what is wrong. */
export async function readManifest(
  sr: SwiftRequest,
  body: Buffer,
): Promise<{ segments: Segment[]; size: number; etag: string }> {
  const asked = parse(body)
  const names = asked.map((each) => each.path).filter((path): path is string => path !== undefined)
  const found = await findAll(sr, names)
  const wrong: string[] = []
  const segments: Segment[] = []
  for (const [i, each] of asked.entries()) {
    if (each.data !== undefined) {
      const data = Buffer.from(each.data, 'base64')
      if (data.length === 0) wrong.push(`Index ${i}: inline data is empty`)
      const etag = createHash('md5').update(data).digest('hex')
      segments.push({ path: '', size: data.length, etag, contentType: '', modified: '', data: each.data })
      continue
    }
    const path = cleanPath(each.path!)
    const object = found.get(path)
    const says = (what: string) => wrong.push(`${path}, ${what}`)
    if (!object) {
      says('404 Not Found')
      continue
    }
    if (each.size_bytes !== undefined && each.size_bytes !== null && each.size_bytes !== object.size)
      says('Size Mismatch')
    if (each.etag && each.etag.replaceAll('"', '') !== object.etag) says('Etag Mismatch')
    if (object.size === 0) says('Too Small; each segment must be at least 1 byte.')
    const ranges = each.range ? parseRanges(`bytes=${each.range}`, object.size) : undefined
    if (each.range && (!Array.isArray(ranges) || ranges.length !== 1)) says('Unsatisfiable Range')
    const range = Array.isArray(ranges) ? `${ranges[0]!.start}-${ranges[0]!.end}` : undefined
    segments.push({
      path,
      size: object.size,
      etag: object.etag,
      contentType: object.contentType,
      modified: listDate(object.modifiedAt),
      ...(range !== undefined && { range }),
      ...(object.kind === 'slo' && { slo: true }),
    })
  }
  if (wrong.length > 0) refuse(400, `Errors:\n${wrong.join('\n')}`)
  const md5 = createHash('md5')
  for (const { etag, range } of segments) md5.update(range === undefined ? etag : `${etag}:${range};`)
  const size = segments.reduce((sum, each) => sum + pieceSize(each), 0)
  return { segments, size, etag: md5.digest('hex') }
}

function pieceSize(segment: Segment): number {
  const { start, end } = segmentRange(segment)
  return end - start + 1
}

function cleanPath(path: string): string {
  return `/${path.replace(/^\/+/, '')}`
}

function parse(body: Buffer): Asked[] {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    refuse(400, 'Manifest must be valid JSON.')
  }
  if (!Array.isArray(value)) refuse(400, 'Manifest must be a list.')
  if (value.length === 0) refuse(400, 'Manifest must have at least one segment.')
  if (value.length > mostSegments) refuse(413, `Too many segments; max ${mostSegments}`)
  const keys = new Set(['path', 'etag', 'size_bytes', 'range', 'data'])
  for (const [i, each] of value.entries() as IterableIterator<[number, unknown]>) {
    if (typeof each !== 'object' || each === null) refuse(400, `Index ${i}: not a JSON object`)
    for (const key of Object.keys(each)) if (!keys.has(key)) refuse(400, `Index ${i}: extraneous key "${key}"`)
    const { path, data, size_bytes: size, etag, range } = each as Record<string, unknown>
    if (typeof data !== 'string' && (typeof path !== 'string' || !/^\/*[^/]+\/./s.test(path)))
      refuse(400, `Index ${i}: path does not refer to an object. Path must be of the form /container/object.`)
    if (size !== undefined && size !== null && (!Number.isInteger(size) || (size as number) < 0))
      refuse(400, `Index ${i}: invalid size_bytes`)
    if ((etag ?? '') !== '' && typeof etag !== 'string') refuse(400, `Index ${i}: invalid etag`)
    if ((range ?? '') !== '' && typeof range !== 'string') refuse(400, `Index ${i}: invalid range`)
  }
  if ((value as Asked[]).every((each) => each.data !== undefined))
    refuse(400, 'Inline data segments require at least one object-backed segment.')
  return value as Asked[]
}

async function findAll(sr: SwiftRequest, paths: string[]): Promise<Map<string, StoredObject>> {
  const wanted = [...new Set(paths.map(cleanPath))].map((path) => {
    const slash = path.indexOf('/', 1)
    return { path, container: path.slice(1, slash), name: path.slice(slash + 1) }
  })
  const { db } = sr.req
  const boxes = await db
    .select({ id: objectContainer.id, name: objectContainer.name })
    .from(objectContainer)
    .where(
      sql`${objectContainer.region} = ${sr.whose.region} and ${objectContainer.projectId} = ${sr.whose.projectId} and ${inArray(
        objectContainer.name,
        wanted.map(({ container }) => container),
      )}`,
    )
  const found = new Map<string, StoredObject>()
  for (const box of boxes) {
    const names = wanted.filter(({ container }) => container === box.name)
    const rows = await db
      .select()
      .from(storedObject)
      .where(
        sql`${storedObject.containerId} = ${box.id} and ${inArray(
          storedObject.name,
          names.map(({ name }) => name),
        )} and (delete_at is null or delete_at > now())`,
      )
    for (const row of rows) found.set(`/${box.name}/${row.name}`, row)
  }
  return found
}

/** The reply of `multipart-manifest=get`: what is stored, or (raw) in the form in which it can be put again. */
export function manifestAnswer(object: StoredObject, raw: boolean): Answer {
  const segments = object.manifest && 'segments' in object.manifest ? object.manifest.segments : []
  const shown = segments.map((each) => {
    if (each.data !== undefined) return { data: each.data }
    if (raw)
      return { path: each.path, size_bytes: each.size, etag: each.etag, ...(each.range && { range: each.range }) }
    return {
      name: each.path,
      bytes: each.size,
      hash: each.etag,
      content_type: each.contentType,
      last_modified: each.modified,
      ...(each.range && { range: each.range }),
      ...(each.slo && { sub_slo: true }),
    }
  })
  const body = Buffer.from(JSON.stringify(shown))
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': String(body.length),
      ETag: createHash('md5').update(body).digest('hex'),
    },
    body,
  }
}
