// Fills a container with objects by SQL, in one transaction; the same names for the same number.
import type { Sql } from 'postgres'

/** What there is, to ask about; shares of all objects. */
export const layout = {
  /** Nine of ten objects: in 2,000 folders. */
  folders: 'photos-',
  folderCount: 2000,
  /** One of twenty: many objects and no folders in it. Each has two older versions. */
  flat: 'inbox/',
  /** One of twenty: objects and folders of one object by turns. */
  mixed: 'mixed/',
} as const

/** `named(n)`: the name of the folder of that number. */
export const folder = (n: number) => `${layout.folders}${String(n).padStart(4, '0')}/`

/** `objects`: how many, at least 40,000. */
export async function loadObjects(db: Sql, container: { name: string; projectId: string }, objects: number) {
  const { folders, folderCount, flat, mixed } = layout
  const [inFolders, each] = [Math.floor(objects * 0.9), Math.floor(objects * 0.05)]
  const perFolder = Math.ceil(inFolders / folderCount)
  await db.begin('read write', async (tx) => {
    const [found] = await tx<{ id: string }[]>`
      select id from object_container where project_id = ${container.projectId} and name = ${container.name}`
    if (!found) throw new Error(`there is no container ${container.name}`)
    const id = Number(found.id)
    await tx`create temporary table loading on commit drop as
      select ${folders} || lpad((n / ${perFolder}::int)::text, 4, '0') || '/' || lpad(n::text, 7, '0') || '.jpg' as name, n
        from generate_series(0, ${inFolders - 1}) n
      union all
      select ${flat} || lpad(n::text, 7, '0') || '.eml', n from generate_series(0, ${each - 1}) n
      union all
      select ${mixed} || lpad(n::text, 7, '0') || case when n % 2 = 0 then '.txt' else '/only' end, n
        from generate_series(0, ${each - 1}) n`
    const said = tx`${id}::bigint, name, 1700000000000000 + n, 4096, md5(name), 'application/octet-stream',
      to_timestamp(1700000000 + n), decode(repeat(md5(name), 4), 'hex'), true`
    const columns = tx`container_id, name, version, size, etag, content_type, modified_at, data, unversioned`
    await tx`insert into object (${columns}) select ${said} from loading order by name collate "C"`
    await tx`insert into object_version (${columns})
      select container_id, name, version - older, size, etag, content_type, modified_at, data, false
      from (select ${said} from loading where name like ${`${flat}%`}) o
        (container_id, name, version, size, etag, content_type, modified_at, data, unversioned),
        generate_series(1, 2) older`
    await tx`insert into object_usage (container_id, shard, objects, bytes)
      select ${id}, 0, count(*), count(*) * 4096 from loading
      on conflict (container_id, shard) do update set objects = excluded.objects, bytes = excluded.bytes`
  })
  await db`vacuum (analyze) object, object_version`
}
