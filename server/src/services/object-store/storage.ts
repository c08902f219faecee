// What an administrator asks: the places of the bytes, and what is damaged beyond repair.
import { type Db, sql } from '#lib/db.ts'
import { route } from '#lib/http/route.ts'
import type { World } from '#lib/world.ts'
import { allBackends } from './backends.ts'

const mostDamaged = 1000

interface Damaged {
  blob: string
  backend: string
  problem: string
  found_at: Date | string
  /** Objects and older versions that have lost bytes; parts of unfinished uploads are none yet. */
  objects: { project_id: string; container: string; name: string }[]
}

async function listDamage(db: Db): Promise<Damaged[]> {
  return db.rows<Damaged>(sql`
    with damaged as (select * from object_damage order by found_at, blob limit ${mostDamaged}),
    hurt as (
      select d.blob, jsonb_agg(jsonb_build_object('project_id', c.project_id, 'container', c.name, 'name', o.name)) as objects
      from (select container_id, name, extents from object union all
        select container_id, name, extents from object_version) o
      cross join lateral jsonb_array_elements(o.extents) e
      join damaged d on d.blob = (e ->> 'blob')::uuid
      join object_container c on c.id = o.container_id group by d.blob
    )
    select d.blob, d.backend, d.problem, d.found_at, coalesce(h.objects, '[]') as objects
    from damaged d left join hurt h on h.blob = d.blob order by d.found_at, d.blob`)
}

async function listPlaces(world: World) {
  const all = await Promise.all(
    allBackends(world).map(async (backend) =>
      (await backend.places()).map((place) => ({
        backend: backend.name,
        place: place.where,
        available: place.available,
        free_bytes: place.freeBytes ?? null,
        total_bytes: place.totalBytes ?? null,
      })),
    ),
  )
  return all.flat()
}

export const storageRoute = route({
  method: 'GET',
  path: '/storage',
  policy: 'storage:get',
  handle: async (req) => ({
    places: await listPlaces(req.world),
    damaged: (await listDamage(req.db)).map((each) => ({
      ...each,
      found_at: new Date(each.found_at).toISOString(),
    })),
  }),
})
