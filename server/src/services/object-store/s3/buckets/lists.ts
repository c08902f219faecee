// ListObjects (both versions) and ListObjectVersions.
import type { Db } from '#lib/db.ts'
import { type Entry, listObjects, listVersions, type ObjectEntry } from '../../listing.ts'
import { findVersion } from '../../store/versions.ts'
import { type Answer, isoTime, quoted, xmlAnswer, owner } from '../wire/answer.ts'
import { readLimit } from './buckets.ts'
import { keptOf, nameOf } from '../wire/checksums.ts'
import { refuse } from '../wire/errors.ts'
import { etagOf, readVersionIdText, versionId } from '../objects/metadata.ts'
import type { BucketRequest } from '../wire/request.ts'
import { encode } from '../wire/sigv4.ts'
import type { Content } from '../wire/xml.ts'

const mostKeys = 1000

interface Page {
  prefix: string
  delimiter: string
  limit: number
  /** Writes a name as the client asked: as it is, or percent-encoded. */
  write: (name: string) => string
  encoding: string | undefined
}

function readPage({ query }: BucketRequest, limitName: string): Page {
  const encoding = query.get('encoding-type')
  if (encoding !== undefined && encoding !== '' && encoding !== 'url')
    refuse('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: encoding,
    })
  const write = encoding === 'url' ? (name: string) => name.split('/').map(encode).join('/') : (name: string) => name
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    limit: readLimit(query.get(limitName), limitName, mostKeys),
    write,
    encoding: encoding || undefined,
  }
}

const isFolder = (entry: Entry): entry is { subdir: string } => 'subdir' in entry
const isObject = (entry: Entry): entry is ObjectEntry => !isFolder(entry)
const nameOfEntry = (entry: Entry) => (isFolder(entry) ? entry.subdir : entry.name)

/** One page, and whether there is more behind it. */
async function pageOf(
  db: Db,
  containerId: number,
  page: Page,
  marker: string,
): Promise<{ entries: Entry[]; more: boolean }> {
  if (page.limit === 0) return { entries: [], more: false }
  const { prefix, delimiter, limit } = page
  const window = { prefix, delimiter, marker, endMarker: '', limit: limit + 1, reverse: false }
  const entries = await listObjects(db, containerId, window)
  return { entries: entries.slice(0, limit), more: entries.length > limit }
}

function contents(
  entries: Entry[],
  page: Page,
  projectId: string | undefined,
): { Contents: Content[]; CommonPrefixes: Content[] } {
  return {
    Contents: entries.filter(isObject).map((entry) => {
      const kept = keptOf(entry.checksums)
      return {
        Key: page.write(entry.name),
        LastModified: isoTime(entry.modifiedAt),
        ETag: quoted(etagOf(entry)),
        ChecksumAlgorithm: kept && nameOf(kept.algorithm),
        ChecksumType: kept?.type,
        Size: entry.size,
        Owner: projectId === undefined ? undefined : owner(projectId),
        StorageClass: entry.storageClass,
      }
    }),
    CommonPrefixes: entries.filter(isFolder).map(({ subdir }) => ({ Prefix: page.write(subdir) })),
  }
}

export async function listObjectsV1(request: BucketRequest): Promise<Answer> {
  const { db, bucket, query } = request
  const page = readPage(request, 'max-keys')
  const marker = query.get('marker') ?? ''
  const { entries, more } = await pageOf(db, bucket.container.id, page, marker)
  const last = entries.at(-1)
  return xmlAnswer('ListBucketResult', {
    Name: bucket.container.name,
    Prefix: page.write(page.prefix),
    Marker: page.write(marker),
    MaxKeys: page.limit,
    Delimiter: page.delimiter === '' ? undefined : page.write(page.delimiter),
    EncodingType: page.encoding,
    IsTruncated: more,
    NextMarker: more && last ? page.write(nameOfEntry(last)) : undefined,
    ...contents(entries, page, bucket.whose.projectId),
  })
}

export async function listObjectsV2(request: BucketRequest): Promise<Answer> {
  const { db, bucket, query } = request
  if (query.get('list-type') !== '2')
    refuse('InvalidArgument', 'The list-type must be 2.', { ArgumentName: 'list-type' })
  const page = readPage(request, 'max-keys')
  const token = query.get('continuation-token')
  if (token === '') refuse('InvalidArgument', 'The continuation token provided is incorrect')
  const after = query.get('start-after') ?? ''
  const { entries, more } = await pageOf(db, bucket.container.id, page, token === undefined ? after : readToken(token))
  const last = entries.at(-1)
  return xmlAnswer('ListBucketResult', {
    Name: bucket.container.name,
    Prefix: page.write(page.prefix),
    MaxKeys: page.limit,
    KeyCount: entries.length,
    Delimiter: page.delimiter === '' ? undefined : page.write(page.delimiter),
    EncodingType: page.encoding,
    IsTruncated: more,
    ContinuationToken: token,
    NextContinuationToken: more && last ? makeToken(nameOfEntry(last)) : undefined,
    StartAfter: after === '' ? undefined : page.write(after),
    ...contents(entries, page, query.get('fetch-owner') === 'true' ? bucket.whose.projectId : undefined),
  })
}

// Opaque: the name that the page ended with.
const tokenMark = '1'
const makeToken = (name: string) => tokenMark + Buffer.from(name).toString('base64url')
function readToken(token: string): string {
  if (!/^1[A-Za-z0-9_-]+$/.test(token)) refuse('InvalidArgument', 'The continuation token provided is incorrect')
  return Buffer.from(token.slice(tokenMark.length), 'base64url').toString('utf8')
}

export async function listObjectVersions(request: BucketRequest): Promise<Answer> {
  const { bucket, query } = request
  const page = readPage(request, 'max-keys')
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = query.get('version-id-marker') ?? ''
  if (idMarker !== '' && keyMarker === '')
    refuse('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
      ArgumentName: 'version-id-marker',
    })
  const { entries, more } = await versionsPage(request, page, keyMarker, idMarker)
  const last = entries.at(-1)
  const shown = entries.filter(isObject)
  const of = (wanted: boolean) => shown.filter(({ deleteMarker }) => Boolean(deleteMarker) === wanted)
  const common = (entry: ObjectEntry) => ({
    Key: page.write(entry.name),
    VersionId: idOf(entry),
    IsLatest: entry.latest ?? true,
    LastModified: isoTime(entry.modifiedAt),
    Owner: owner(bucket.whose.projectId),
  })
  return xmlAnswer('ListVersionsResult', {
    Name: bucket.container.name,
    Prefix: page.write(page.prefix),
    KeyMarker: page.write(keyMarker),
    VersionIdMarker: idMarker,
    MaxKeys: page.limit,
    Delimiter: page.delimiter === '' ? undefined : page.write(page.delimiter),
    EncodingType: page.encoding,
    IsTruncated: more,
    NextKeyMarker: more && last ? page.write(nameOfEntry(last)) : undefined,
    NextVersionIdMarker: more && last && !isFolder(last) ? idOf(last) : undefined,
    Version: of(false).map((entry) => ({
      ...common(entry),
      ETag: quoted(etagOf(entry)),
      Size: entry.size,
      StorageClass: entry.storageClass,
    })),
    DeleteMarker: of(true).map(common),
    CommonPrefixes: entries.filter(isFolder).map(({ subdir }) => ({ Prefix: page.write(subdir) })),
  })
}

const idOf = (entry: ObjectEntry) => versionId({ version: entry.version ?? 0, unversioned: entry.unversioned })

async function versionsPage(
  { db, bucket }: BucketRequest,
  page: Page,
  keyMarker: string,
  idMarker: string,
): Promise<{ entries: Entry[]; more: boolean }> {
  const { prefix, delimiter, limit } = page
  if (limit === 0) return { entries: [], more: false }
  const { id } = bucket.container
  const version = idMarker === '' ? undefined : await versionOf(db, id, keyMarker, idMarker)
  const window = { prefix, delimiter, marker: keyMarker, endMarker: '', limit: limit + 1, reverse: false }
  const entries = await listVersions(db, id, window, version)
  return { entries: entries.slice(0, limit), more: entries.length > limit }
}

async function versionOf(db: Db, containerId: number, key: string, text: string): Promise<number> {
  const asked = readVersionIdText(text)
  if (asked !== 'null') return asked
  return (await findVersion(db, containerId, key, asked))?.version ?? 0
}
