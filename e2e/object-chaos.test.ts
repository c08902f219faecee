// Servers, their database and its processes are killed at random moments while objects are written, replaced, copied,
// uploaded in parts and removed, by Swift and S3. What was acknowledged reads back whole, what was not is whole or absent,
// and nothing is left over. PILEUS_CHAOS_KILLS: how many deaths; a thousand take about half an hour.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanup } from './testing/cleanup.ts'
import { objectClient } from './testing/object-client.ts'
import { objectLoad } from './testing/object-load.ts'
import { type Servers, startServers, type Victim } from './testing/servers.ts'
import { until } from './testing/until.ts'

const kills = Number(process.env['PILEUS_CHAOS_KILLS'] ?? 8)
const processes = 3
const workers = 6
// one death in so many is the database's, in one way or another
const databaseEach = 8
const ofDatabase: Victim[] = ['backend', 'session', 'postgres']

test(`${kills} kill -9 under load lose no object and leave nothing over`, async (t) => {
  const servers = await startServers(cleanup(t), processes, {
    // what killed writers leave is swept under load too: who is only slow must not suffer
    PILEUS_OBJECT_ORPHAN_MINUTES: '0.1',
    PILEUS_LOG_LEVEL: 'error',
  })
  const { api, port, s3Port } = servers
  const made = await api.call<{ credential: { access: string; secret: string } }>(
    'POST',
    `/identity/v3/users/${api.userId}/credentials/OS-EC2`,
    { tenant_id: api.projectId },
  )
  const client = objectClient({ port, s3Port, token: api.token, projectId: api.projectId, keys: made.credential })
  for (const bucket of ['box', 'kept']) assert.equal((await client.send('s3', 'PUT', bucket)).status, 200)
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  assert.equal((await client.send('s3', 'PUT', 'kept', { query: { versioning: '' }, body })).status, 200)
  const load = objectLoad(client)
  let going = true
  const working = Promise.all(Array.from({ length: workers }, (_, n) => load.worker(n, () => going)))
  working.catch(() => (going = false))
  const began = performance.now()
  const died: Record<string, number> = { server: 0, postgres: 0, backend: 0, session: 0 }
  const tell = (what: string) => {
    const seconds = Math.round((performance.now() - began) / 1000)
    t.diagnostic(`${what} after ${seconds} s: ${JSON.stringify({ ...died, ...load.done, ...client.met })}`)
  }
  let killed = 0
  while (going && killed < kills) {
    // a moment of any request's life
    await delay(randomInt(120))
    // on a slow machine death waits for work
    if (load.done.acknowledged < 2 * killed) continue
    const isDatabase = killed % databaseEach === databaseEach - 1
    const victim = isDatabase ? ofDatabase[Math.floor(killed / databaseEach) % 3]! : randomInt(processes)
    if (!(await servers.strike(victim))) continue
    died[isDatabase ? String(victim) : 'server']!++
    killed++
    if (killed % 50 === 0) tell(`${killed} killed`)
  }
  going = false
  await working
  tell('load ended')
  assert.ok(load.done.acknowledged > kills, 'there was load')
  await servers.whole()
  t.diagnostic(`verified: ${JSON.stringify(await load.verify())}; uploads given up: ${await load.giveUp()}`)
  await until('no blob without an object, no object without its blobs', async () => {
    const [stored, wanted] = [files(servers), await referred(servers)]
    if (stored.length !== wanted.length)
      throw new Error(`${stored.length} files are there, ${wanted.length} blobs are wanted`)
    return stored.every(({ id }, n) => id === wanted[n]!.id)
  })
  const bytes = (all: { bytes: number }[]) => all.reduce((sum, each) => sum + Number(each.bytes), 0)
  assert.equal(bytes(files(servers)), bytes(await referred(servers)), 'the disk holds what is referred to')
  assert.deepEqual(await servers.rows(miscounted), [])
  assert.deepEqual(await servers.rows(misused), [])
  assert.deepEqual(await servers.rows(leftOver), [{ garbage: 0, parts: 0, uploads: 0 }])
  await load.verify()
  tell('all was verified')
  assert.deepEqual(
    Object.keys(client.met.statuses).filter((each) => each.endsWith(' 500')),
    [],
    servers.log(),
  )
  assert.equal(client.met.hung, 0, 'requests that got no answer in two minutes')
  assert.equal(servers.fallen, 0, `servers ended by themselves:\n${servers.log()}`)
})

/** Every file there is, unfinished ones too. */
function files({ data }: Servers): { id: string; bytes: number }[] {
  const dir = join(data, 'objects')
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes('/'))
    .map((path) => ({
      id: path.split('/')[1]!,
      bytes: statSync(join(dir, path), { throwIfNoEntry: false })?.size ?? 0,
    }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

const extents = `(select e ->> 'blob' as blob from (select extents from object union all
    select extents from object_version union all select extents from object_part) o
  cross join lateral jsonb_array_elements(o.extents) e)`
/** With the bytes that each takes on the disk: four more for every 64 KiB. */
const referred = (servers: Servers) =>
  servers.rows<{ id: string; bytes: number }>(`select b.id, b.size + 4 * greatest(ceil(b.size / 65536.0), 1) as bytes
    from object_blob b where b.id in (select blob::uuid from ${extents} x) order by b.id::text collate "C"`)

// blobs whose count is not that of the objects that refer to them
const miscounted = `select b.id, b.refs, u.n from object_blob b
  full join (select blob::uuid as id, count(*) as n from ${extents} x group by 1) u on u.id = b.id
  where coalesce(b.refs, 0) <> coalesce(u.n, 0)`
// containers that are said to hold what they do not
const misused = `select * from
  (select container_id, sum(objects) as objects, sum(bytes) as bytes from object_usage group by 1) said
  full join (select container_id, count(*) filter (where is_now) as n, sum(size) as size from (
      select container_id, true as is_now, case when kind = 'slo' then 0 else size end as size from object
      union all select container_id, false, case when kind = 'slo' then 0 else size end from object_version) o
    group by 1) held using (container_id)
  where coalesce(objects, 0) <> coalesce(n, 0) or coalesce(bytes, 0) <> coalesce(size, 0)`
const leftOver = `select (select count(*)::int from object_garbage) as garbage,
  (select count(*)::int from object_part) as parts, (select count(*)::int from object_upload) as uploads`
