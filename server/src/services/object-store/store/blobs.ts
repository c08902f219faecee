// Which blobs are somebody's: counted, so that copies share them. However many an object has, it is one statement.
import { sql, type SQL, type Tx } from '#lib/db.ts'
import { Fault, unavailable } from '#lib/fault.ts'
import { sealedSize } from '../encryption/format.ts'
import type { Extent } from '../model.ts'

/** One more object refers to these. `shared`: others do already. Throws conflict when those have let go meanwhile. */
export async function holdBlobs(tx: Tx, extents: Extent[], shared: boolean): Promise<void> {
  if (extents.length === 0) return
  const held = await tx.rows<{ id: string }>(shared ? holdMore(extents) : holdNew(extents))
  if (shared) {
    if (held.length < new Set(extents.map(({ blob }) => blob)).size)
      throw new Fault('conflict', 'The object was replaced while it was copied; try again.')
    return
  }
  // the sweeper took it for a killed writer's and keeps the id: better no object than one without its bytes
  if (held.length < extents.length) unavailable('It took too long until the object could be stored; try again.')
}

function holdNew(extents: Extent[]): SQL {
  const rows = extents.map(({ blob, size, backend, sealed }) => {
    return { id: blob, size: sealed ? sealedSize(size) : size, backend }
  })
  return sql`insert into object_blob (id, size, backend, refs)
    select id, size, backend, 1 from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as x(id uuid, size bigint, backend text)
    on conflict do nothing returning id`
}

// An object may hold a blob several times. All are locked in one order, so that two copies never wait for each other.
const locked = (extents: Extent[]) => sql`
  mine as (select blob, count(*)::int as n from unnest(${`{${extents.map(({ blob }) => blob).join()}}`}::text::uuid[]) as blob group by blob),
  locked as materialized (
    select id, refs, backend, n from object_blob join mine on id = blob order by id for update of object_blob
  )`

const holdMore = (extents: Extent[]) => sql`with ${locked(extents)}
  update object_blob b set refs = b.refs + n from locked where b.id = locked.id returning b.id`

/** One object less refers to these; what none refers to is garbage. */
export async function releaseBlobs(tx: Tx, extents: Extent[]): Promise<void> {
  if (extents.length === 0) return
  const garbage = await tx.rows<{ id: string }>(sql`with ${locked(extents)},
    less as (
      update object_blob b set refs = b.refs - n from locked where b.id = locked.id and locked.refs > n
    ), gone as (
      delete from object_blob b using locked where b.id = locked.id and locked.refs <= n returning b.id, b.backend
    )
    insert into object_garbage (id, backend) select id, backend from gone on conflict do nothing returning id`)
  if (garbage.length > 0) tx.afterCommit(() => garbageHeard?.())
}

let garbageHeard: (() => void) | undefined
/** Called, in this process, whenever there is garbage to collect; see sweep.ts. */
export function onGarbage(heard: () => void): void {
  garbageHeard = heard
}
