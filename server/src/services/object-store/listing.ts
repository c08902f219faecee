// What a container holds, in order of names. Every list is a walk along the primary key that begins at the marker; with a
// delimiter it jumps over each folder with one probe, however much is in it.
import { type Db, type SQL, sql } from '#lib/db.ts'
import type { Window } from './containers.ts'
import { columns } from './model.ts'
import { compareNames, lengthOf, nextName } from './names.ts'

export interface ObjectWindow extends Window {
  delimiter: string
}
export interface ObjectEntry {
  name: string
  size: number
  etag: string
  contentType: string
  modifiedAt: Date
  kind: string
  headers: Record<string, string>
  symlinkPath?: string
  storageClass: string
  checksums: Record<string, string>
  /** Of a static large object: of how many pieces. */
  segments?: number
  unversioned: boolean
  /** Where versions are listed. */
  version?: number
  latest?: boolean
  deleteMarker?: boolean
}
export type Entry = ObjectEntry | { subdir: string }

interface Row {
  name: string
  subdir: string | null
  size: string
  etag: string
  content_type: string
  modified_at: Date | string
  kind: string
  headers: Record<string, string>
  target: string | null
  storage_class: string
  checksums: Record<string, string>
  segments: string | null
  unversioned: boolean
  version: string
  latest?: boolean
  delete_marker?: boolean
}

const live = sql`(delete_at is null or delete_at > now())`

export async function listObjects(db: Db, containerId: number, page: ObjectWindow): Promise<Entry[]> {
  if (page.limit === 0) return []
  const rows = page.delimiter === '' ? await plainRows(db, containerId, page) : await folderRows(db, containerId, page)
  return rows.map(asEntry).slice(0, page.limit)
}

function asEntry(row: Row): Entry {
  if (row.subdir !== null) return { subdir: row.subdir }
  return {
    name: row.name,
    size: Number(row.size),
    etag: row.etag,
    contentType: row.content_type,
    modifiedAt: new Date(row.modified_at),
    kind: row.kind,
    headers: row.headers,
    version: Number(row.version),
    storageClass: row.storage_class,
    checksums: row.checksums,
    unversioned: row.unversioned,
    ...(row.segments !== null && row.segments !== undefined && { segments: Number(row.segments) }),
    ...(row.target !== null && row.target !== undefined && { symlinkPath: row.target }),
    ...(row.latest !== undefined && { latest: row.latest }),
    ...(row.delete_marker !== undefined && { deleteMarker: row.delete_marker }),
  }
}

const shown = sql`o.name, o.size, o.etag, o.content_type, o.modified_at, o.kind, o.headers, o.version, o.storage_class, o.checksums, o.unversioned,
  case when o.kind = 'slo' then jsonb_array_length(o.manifest -> 'segments') end as segments,
  case when o.kind = 'symlink' then '/v1/AUTH_' || (o.manifest #>> '{target,account}') || '/'
    || (o.manifest #>> '{target,path}') end as target`

/** The bounds of a page: names at or above `low` (above it, when `open`) and below `high`. */
function bounds(page: Window): { low: string; lowOpen: boolean; high: string | undefined } {
  const end = nextName(page.prefix)
  const [above, below] = page.reverse ? [page.endMarker, page.marker] : [page.marker, page.endMarker]
  const lowOpen = above !== '' && compareNames(above, page.prefix) >= 0
  const high = below === '' ? end : end === undefined || compareNames(below, end) < 0 ? below : end
  return { low: lowOpen ? above : page.prefix, lowOpen, high }
}

function within({ low, lowOpen, high }: ReturnType<typeof bounds>): SQL {
  const from = lowOpen ? sql`o.name > ${low}` : sql`o.name >= ${low}`
  return high === undefined ? from : sql`${from} and o.name < ${high}`
}

async function plainRows(db: Db, containerId: number, page: ObjectWindow): Promise<Row[]> {
  return db.rows<Row>(sql`
    select ${shown}, null as subdir from object o
    where o.container_id = ${containerId} and ${within(bounds(page))} and ${live}
    order by o.name ${orderOf(page)} limit ${page.limit}`)
}

async function folderRows(db: Db, containerId: number, page: ObjectWindow): Promise<Row[]> {
  const first = (where: SQL) => sql`(select o.name from object o
    where o.container_id = ${containerId} and ${where} and ${live} order by o.name ${orderOf(page)} limit 1)`
  const rows = await db.rows<Row>(sql`
    ${walk(page, first)} select ${shown}, walk.subdir from walk
    left join object o on walk.subdir is null and o.container_id = ${containerId} and o.name = walk.name
    order by walk.n`)
  return rows.filter(isBeyond(page))
}

const orderOf = ({ reverse }: Window) => (reverse ? sql`desc` : sql`asc`)

/**
 * `with walk(name, subdir, n)`: the names and folders of a page in order, one probe for each, and one more than the page holds
 * in case that the first is the folder that the last page ended with. `first`: a subquery, the first name that fulfils that.
 */
function walk(page: ObjectWindow, first: (where: SQL) => SQL): SQL {
  const { prefix, delimiter, reverse } = page
  const range = within(bounds(page))
  const rest = sql`substr(o.name, ${lengthOf(prefix) + 1}::int)`
  const folder = sql`case when position(${delimiter} in ${rest}) > 0
    then left(o.name, ${lengthOf(prefix)}::int + position(${delimiter} in ${rest}) - 1 + ${lengthOf(delimiter)}::int) end`
  // behind a folder: its name with the delimiter's successor; behind an object: the next name there can be
  const behind = reverse
    ? sql`o.name < coalesce(walk.subdir, walk.name)`
    : sql`o.name >= coalesce(left(walk.subdir, -${lengthOf(delimiter)}::int) || ${nextName(delimiter) ?? delimiter}, walk.name || chr(1))`
  return sql`
    with recursive walk(name, subdir, n) as (
      select o.name, ${folder}, 1 from ${first(range)} o
      union all
      select next.name, next.subdir, walk.n + 1 from walk, lateral (
        select o.name, ${folder} as subdir from ${first(sql`${range} and ${behind}`)} o
      ) next where walk.n <= ${page.limit}
    )`
}

const isBeyond =
  ({ marker }: Window) =>
  ({ subdir }: { subdir: string | null }) =>
    subdir === null || subdir !== marker

/** Objects and their older versions, the newest first within a name. `versionMarker`: go on behind that version of `marker`. */
export async function listVersions(
  db: Db,
  containerId: number,
  page: ObjectWindow,
  versionMarker: number | undefined,
): Promise<Entry[]> {
  const range = within(bounds(page))
  const beyond =
    versionMarker === undefined ? range : sql`(${range} or (o.name = ${page.marker} and o.version < ${versionMarker}))`
  if (page.delimiter === '') return (await versionRows(db, containerId, page, beyond)).map(asEntry)
  const steps = await versionSteps(db, containerId, page)
  if (versionMarker !== undefined) steps.unshift({ name: page.marker, subdir: null })
  const names = JSON.stringify(steps.flatMap(({ name, subdir }) => (subdir === null ? name : [])))
  const named = sql`o.name = any(array(select json_array_elements_text(${names}::text::json)))`
  const rows = names === '[]' ? [] : await versionRows(db, containerId, page, sql`${named} and ${beyond}`)
  const byName = Map.groupBy(rows, ({ name }) => name)
  return steps
    .flatMap(({ name, subdir }): Entry[] => (subdir === null ? (byName.get(name) ?? []).map(asEntry) : [{ subdir }]))
    .slice(0, page.limit)
}

interface Step {
  name: string
  subdir: string | null
}

/** The names of which there is any version, and the folders. */
async function versionSteps(db: Db, containerId: number, page: ObjectWindow): Promise<Step[]> {
  const of = (table: SQL, where: SQL) => sql`(select o.name from ${table} o
    where o.container_id = ${containerId} and ${where} order by o.name ${orderOf(page)} limit 1)`
  const first = (where: SQL) => sql`(select o.name from (
      ${of(sql`object`, sql`${where} and ${live}`)} union all ${of(sql`object_version`, where)}
    ) o order by o.name ${orderOf(page)} limit 1)`
  const steps = await db.rows<Step>(sql`${walk(page, first)} select walk.name, walk.subdir from walk order by walk.n`)
  return steps.filter(isBeyond(page))
}

async function versionRows(db: Db, containerId: number, page: ObjectWindow, where: SQL): Promise<Row[]> {
  const order = sql`o.name ${orderOf(page)}, o.version desc`
  return db.rows<Row>(sql`
    select ${shown}, null as subdir, o.delete_marker, o.latest from (
      (select ${columns}, false as delete_marker, true as latest from object o
        where o.container_id = ${containerId} and ${where} and ${live} order by ${order} limit ${page.limit})
      union all
      (select ${columns}, delete_marker,
          not exists (select from object c where c.container_id = o.container_id and c.name = o.name) and o.version =
            (select max(v.version) from object_version v where v.container_id = o.container_id and v.name = o.name) as latest
        from object_version o where o.container_id = ${containerId} and ${where} order by ${order} limit ${page.limit})
    ) o order by ${order} limit ${page.limit}`)
}
