// Servers and their database are killed at random moments while objects are written, replaced, copied and removed. What
// was acknowledged reads back whole, what was not is whole or absent, and nothing is left over. PILEUS_CHAOS_KILLS: how
// many deaths; a thousand take about half an hour.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanup } from './testing/cleanup.ts'
import { objectLoad } from './testing/object-load.ts'
import { type Servers, startServers } from './testing/servers.ts'
import { until } from './testing/until.ts'

const kills = Number(process.env['PILEUS_CHAOS_KILLS'] ?? 8)
const processes = 3
const workers = 6
// one death in so many is the database's
const databaseEach = 10

test(`${kills} kill -9 under load lose no object and leave nothing over`, async (t) => {
  const servers = await startServers(cleanup(t), processes, {
    // what killed writers leave is swept under load too: who is only slow must not suffer
    PILEUS_OBJECT_ORPHAN_MINUTES: '0.1',
    PILEUS_LOG_LEVEL: 'error',
  })
  const { api } = servers
  const box = `/object-store/v1/AUTH_${api.projectId}/box`
  assert.equal((await api.send('PUT', box)).status, 201)
  const load = objectLoad({ port: servers.port, token: api.token, box })
  let going = true
  const working = Array.from({ length: workers }, (_, n) => load.worker(n, () => going))
  const broken = Promise.all(working)
  broken.catch(() => (going = false))
  const began = performance.now()
  let killed = 0
  while (going && killed < kills) {
    // a moment of any request's life
    await delay(randomInt(120))
    // on a slow machine death waits for work
    if (load.done.acknowledged < 2 * killed) continue
    const victim = killed % databaseEach === databaseEach - 1 ? 'postgres' : randomInt(processes)
    if (!(await servers.strike(victim))) continue
    killed++
    if (killed % 50 === 0)
      t.diagnostic(
        `${killed} killed, ${JSON.stringify(load.done)}, ${Math.round((performance.now() - began) / 1000)} s`,
      )
  }
  going = false
  await broken
  assert.ok(load.done.acknowledged > kills, 'there was load')
  await servers.whole()
  const verified = await load.verify()
  t.diagnostic(`${killed} killed, ${JSON.stringify(load.done)}, verified ${JSON.stringify(verified)}`)
  await until('no blob without an object, no object without its blobs', async () => {
    const [stored, wanted] = [blobs(servers), await referred(servers)]
    if (stored.length !== wanted.length)
      throw new Error(`${stored.length} blobs are stored, ${wanted.length} are wanted`)
    return stored.every((id, n) => id === wanted[n])
  })
  assert.deepEqual(await servers.rows(miscounted), [])
  assert.deepEqual(await servers.rows(misused), [])
  await load.verify()
})

/** Every file there is, unfinished ones too. */
function blobs({ data }: Servers): string[] {
  const dir = join(data, 'objects')
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .flatMap((path) => path.split('/')[1] ?? [])
    .toSorted()
}

const extents = `(select e ->> 'blob' as blob from (select extents from object union all select extents from object_version) o
  cross join lateral jsonb_array_elements(o.extents) e)`
const referred = async (servers: Servers) =>
  (await servers.rows<{ blob: string }>(`select distinct blob from ${extents} x order by 1`))
    .map(({ blob }) => blob)
    .toSorted()

// blobs whose count is not that of the objects that refer to them
const miscounted = `select b.id, b.refs, u.n from object_blob b
  full join (select blob::uuid as id, count(*) as n from ${extents} x group by 1) u on u.id = b.id
  where coalesce(b.refs, 0) <> coalesce(u.n, 0)`
// containers that are said to hold what they do not
const misused = `select * from (select sum(objects) as objects, sum(bytes) as bytes from object_usage) said
  cross join (select count(*) as n, coalesce(sum(size) filter (where kind <> 'slo'), 0) as size from object) held
  where objects <> n or bytes <> size`
