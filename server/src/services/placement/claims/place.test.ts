import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { type Database, openDatabase, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { makeLog } from '#lib/log.ts'
import { testDatabase } from '#lib/testing/database.ts'
import {
  allocationsOf,
  dryRun,
  ensureHosts,
  place,
  type PlacementRequest,
  type Refusal,
  release,
  removeHost,
  setHostEnabled,
  usageByHost,
} from '#placement'

const region = 'local'
const log = makeLog('test', 'error')

/** One database, as several processes see it: each with a connection pool and a memory of its own. */
async function processes(t: TestContext, count: number): Promise<Database[]> {
  const { url, drop } = await testDatabase('bare', async () => {})
  const all = Array.from({ length: count }, () => openDatabase(url, log, { connections: 3 }))
  t.after(async () => {
    await Promise.all(all.map((db) => db.close()))
    await drop()
  })
  // connections take longer than claims: without them open, one process would be done before the other begins
  await Promise.all([...all, ...all, ...all].map((db) => db.ping()))
  return all
}

const hosts = (count: number, size: { vcpus: number; memoryMb: number; diskGb: number; traits?: string[] }, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    region,
    name: `host-${from + i}`,
    inventories: {
      VCPU: { total: size.vcpus, allocationRatio: 1 },
      MEMORY_MB: { total: size.memoryMb },
      DISK_GB: { total: size.diskGb },
    },
    traits: size.traits ?? [],
  }))

const request = (resources: Record<string, number>, more: Partial<PlacementRequest> = {}): PlacementRequest => ({
  region,
  consumerId: newId(),
  projectId: 'p',
  userId: 'u',
  resources,
  ...more,
})

/** What must always hold: nothing oversubscribed, and the counters are the sums of the claims. */
async function requireSound(db: Database): Promise<void> {
  const wrong = await db.rows(sql`
    select i.* from inventory i
    where i.used > floor((i.total - i.reserved) * i.allocation_ratio)
      or i.used <> (select coalesce(sum(a.used), 0) from allocation a
        where a.provider_id = i.provider_id and a.resource_class = i.resource_class)`)
  assert.deepEqual([...wrong], [])
  const idle = await db.rows(sql`select id from consumer where id not in (select consumer_id from allocation)`)
  assert.deepEqual([...idle], [])
}

async function refusal(promise: Promise<unknown>): Promise<{ message: string; details: Refusal }> {
  const error = await promise.then(
    () => assert.fail('it was placed'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Fault, String(error))
  assert.equal(error.kind, 'noCapacity')
  return { message: error.message, details: error.details as Refusal }
}

test('two processes that place at once fill the cloud to the brim and never beyond', async (t) => {
  const [a, b] = (await processes(t, 2)) as [Database, Database]
  await a.transaction((tx) => ensureHosts(tx, hosts(20, { vcpus: 16, memoryMb: 16_384, diskGb: 1000 })))
  // 20 hosts × 16: room for exactly 320 of one; 400 are asked for
  const asked = Array.from({ length: 400 }, () => request({ VCPU: 1, MEMORY_MB: 1024, DISK_GB: 1 }))
  const results = await Promise.allSettled(asked.map((each, i) => place({ db: i % 2 ? a : b }, each)))
  const placed = results.filter((result) => result.status === 'fulfilled')
  assert.equal(placed.length, 320)
  for (const result of results)
    if (result.status === 'rejected') assert.equal((result.reason as Fault).kind, 'noCapacity')
  await requireSound(a)
  const held = await allocationsOf(
    a,
    asked.map(({ consumerId }) => consumerId),
  )
  assert.equal(held.size, 320)
  for (const [i, result] of results.entries())
    if (result.status === 'fulfilled') assert.equal(held.get(asked[i]!.consumerId)![0]!.host, result.value.host)
})

test('placing and releasing at random from two processes stays sound, and all comes back', async (t) => {
  const both = (await processes(t, 2)) as [Database, Database]
  const [a] = both
  await a.transaction((tx) => ensureHosts(tx, hosts(6, { vcpus: 8, memoryMb: 8192, diskGb: 100 })))
  const worker = async (db: Database) => {
    for (let i = 0; i < 12; i++) {
      const each = request({ VCPU: 1 + (i % 5), MEMORY_MB: 512 * (1 + (i % 7)), DISK_GB: i % 3 })
      const placed = await place({ db }, each).catch((error: unknown) => {
        assert.equal((error as Fault).kind, 'noCapacity')
      })
      if (placed && i % 4 !== 3) await db.transaction((tx) => release(tx, each.consumerId))
    }
  }
  await Promise.all(Array.from({ length: 16 }, (_, i) => worker(both[i % 2]!)))
  await requireSound(a)
  const left = await a.rows<{ id: string }>(sql`select id from consumer`)
  await a.transaction((tx) => release(tx, ...left.map(({ id }) => id)))
  await requireSound(a)
  for (const { resources, consumers } of (await usageByHost(a, region)).values()) {
    assert.equal(consumers, 0)
    assert.deepEqual(
      Object.values(resources).map(({ used }) => used),
      [0, 0, 0],
    )
  }
})

test('one consumer placed many times, by both processes, holds one claim', async (t) => {
  const [a, b] = (await processes(t, 2)) as [Database, Database]
  await a.transaction((tx) => ensureHosts(tx, hosts(5, { vcpus: 8, memoryMb: 8192, diskGb: 100 })))
  const each = request({ VCPU: 2, MEMORY_MB: 512 })
  const answers = await Promise.all([a, b, a, b].map((db) => place({ db }, each)))
  assert.equal(new Set(answers.map(({ host }) => host)).size, 1)
  assert.deepEqual(await place({ db: b }, each), answers[0])
  await requireSound(a)
  const used = [...(await usageByHost(a, region)).values()].map(({ resources }) => resources['VCPU']!.used)
  assert.equal(
    used.reduce((sum, one) => sum + one),
    2,
  )
})

test('a process sees what another one changed: hosts that come, go, and are taken out of service', async (t) => {
  const [a, b] = (await processes(t, 2)) as [Database, Database]
  await a.transaction((tx) => ensureHosts(tx, hosts(2, { vcpus: 4, memoryMb: 4096, diskGb: 100 })))
  const where = async (db: Database) => (await place({ db }, request({ VCPU: 1 }))).host
  assert.match(await where(a), /host-[01]/)
  await b.transaction((tx) => setHostEnabled(tx, region, 'host-0', false, 'new memory'))
  assert.equal(await where(a), 'host-1')
  await b.transaction((tx) => setHostEnabled(tx, region, 'host-1', false))
  const { message, details } = await refusal(where(a))
  assert.match(message, /2 are not in service/)
  assert.equal(details.smallestChange, '2 hosts would fit once back in service')
  await b.transaction((tx) => ensureHosts(tx, hosts(1, { vcpus: 4, memoryMb: 4096, diskGb: 100 }, 7)))
  assert.equal(await where(a), 'host-7')
  await assert.rejects(
    b.transaction((tx) => removeHost(tx, region, 'host-7')),
    /1 servers still have resources on it/,
  )
  const held = await a.rows<{ id: string }>(sql`select id from consumer`)
  await b.transaction((tx) => release(tx, ...held.map(({ id }) => id)))
  await b.transaction((tx) => removeHost(tx, region, 'host-7'))
  assert.equal((await refusal(where(a))).details.hosts, 2)
})

test('telling the same of a host again writes nothing, and what operators set stays', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  const all = hosts(3, { vcpus: 4, memoryMb: 4096, diskGb: 100, traits: ['HW_CPU_X86_AVX2'] })
  await db.transaction((tx) => ensureHosts(tx, all))
  await db.transaction((tx) =>
    tx.rows(sql`update resource_provider set traits = traits || '{CUSTOM_GOLD}' where name = 'host-1'`),
  )
  await db.transaction((tx) => tx.rows(sql`update inventory set reserved = 512 where resource_class = 'MEMORY_MB'`))
  const read = () => db.rows(sql`select name, changed::text, generation, traits from resource_provider order by name`)
  const before = [...(await read())]
  await db.transaction((tx) => ensureHosts(tx, all))
  assert.deepEqual([...(await read())], before)
  await db.transaction((tx) => ensureHosts(tx, [{ ...all[1]!, traits: ['HW_CPU_X86_AVX512F'] }]))
  const [changed] = await db.rows<{ traits: string[] }>(sql`select traits from resource_provider where name = 'host-1'`)
  assert.deepEqual(changed!.traits, ['CUSTOM_GOLD', 'HW_CPU_X86_AVX512F'])
  assert.equal((await usageByHost(db, region)).get('host-0')!.resources['MEMORY_MB']!.capacity, 3584)
})

test('hosts are chosen by what they have left', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  await db.transaction((tx) => ensureHosts(tx, hosts(4, { vcpus: 8, memoryMb: 8192, diskGb: 100 })))
  const placed = await Promise.all(
    Array.from({ length: 8 }, () => place({ db }, request({ VCPU: 2, MEMORY_MB: 2048, DISK_GB: 10 }))),
  )
  const counts = Map.groupBy(placed, ({ host }) => host)
  assert.deepEqual(
    [...counts.values()].map(({ length }) => length),
    [2, 2, 2, 2],
  )
})

test('company and solitude: with, apart, rather with, rather apart', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  const world = { db }
  await db.transaction((tx) => ensureHosts(tx, hosts(3, { vcpus: 8, memoryMb: 8192, diskGb: 100 })))
  const first = request({ VCPU: 1 })
  const { host } = await place(world, first)
  const one = [first.consumerId]
  assert.equal((await place(world, request({ VCPU: 1 }, { sameHostAs: one }))).host, host)
  assert.equal((await place(world, request({ VCPU: 1 }, { preferHostOf: one }))).host, host)
  assert.notEqual((await place(world, request({ VCPU: 1 }, { differentHostFrom: one }))).host, host)
  // a group that must be apart, all of it asked for at once: three hosts take three, the fourth is refused
  const group = Array.from({ length: 4 }, () => newId())
  const results = await Promise.allSettled(
    group.map((consumerId) =>
      place(world, request({ VCPU: 1 }, { consumerId, differentHostFrom: group.filter((id) => id !== consumerId) })),
    ),
  )
  const homes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.host] : []))
  assert.equal(new Set(homes).size, 3)
  assert.equal(homes.length, 3)
  const soft = Array.from({ length: 3 }, () => newId())
  const spread = await Promise.all(
    soft.map((consumerId) => place(world, request({ VCPU: 1 }, { consumerId, spreadFrom: soft }))),
  )
  assert.equal(new Set(spread.map((each) => each.host)).size, 3)
})

test('a refusal says how many hosts fail what, and the smallest change that helps', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  const world = { db }
  assert.match(
    (await refusal(place(world, request({ VCPU: 1 })))).message,
    /^There is no host yet in region local that could give 1 vCPU\.$/,
  )
  await db.transaction((tx) =>
    ensureHosts(tx, [
      ...hosts(3, { vcpus: 4, memoryMb: 4096, diskGb: 100 }),
      ...hosts(1, { vcpus: 8, memoryMb: 2048, diskGb: 100, traits: ['HW_CPU_X86_AVX2'] }, 3),
    ]),
  )
  const large = await refusal(place(world, request({ VCPU: 6, MEMORY_MB: 4096 })))
  assert.equal(
    large.message,
    'No host fits 6 vCPU and 4096 MB of memory: of 4 hosts, 3 are not made for 6 vCPU in one piece and ' +
      '1 is not made for 4096 MB of memory in one piece. 3 hosts would fit with 2 vCPU less.',
  )
  assert.deepEqual(large.details, {
    hosts: 4,
    refusedBy: [
      { filter: 'size:VCPU', hosts: 3 },
      { filter: 'size:MEMORY_MB', hosts: 1 },
    ],
    smallestChange: '3 hosts would fit with 2 vCPU less',
  })
  await Promise.all(
    Array.from({ length: 3 }, () =>
      place(world, request({ VCPU: 1, MEMORY_MB: 3072 }, { forbiddenTraits: ['HW_CPU_X86_AVX2'] })),
    ),
  )
  const full = await refusal(place(world, request({ MEMORY_MB: 2560 })))
  assert.deepEqual(full.details.refusedBy, [
    { filter: 'free:MEMORY_MB', hosts: 3 },
    { filter: 'size:MEMORY_MB', hosts: 1 },
  ])
  assert.equal(full.details.smallestChange, 'One host would fit with 512 MB of memory less')
  const picky = await refusal(place(world, request({ VCPU: 10 }, { requiredTraits: ['CUSTOM_GOLD'] })))
  assert.equal(
    picky.details.smallestChange,
    'One host would fit with 2 vCPU less and without the required trait CUSTOM_GOLD',
  )
  assert.deepEqual((await dryRun(world, request({ VCPU: 10 }, { requiredTraits: ['CUSTOM_GOLD'] }))).refusal, {
    message: picky.message,
    ...picky.details,
  })
  const dry = await dryRun(world, request({ MEMORY_MB: 2048 }))
  assert.deepEqual([dry.refusal, dry.candidates.map(({ host }) => host)], [null, ['host-3']])
  await requireSound(db)
})

test('a request that makes no sense is refused before it is placed', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  await assert.rejects(place({ db }, request({ VCPU: 0 })), /nothing/)
  await assert.rejects(place({ db }, request({ VCPU: -1 })), /no possible amount/)
  await assert.rejects(place({ db }, request({ VCPU: 1 }, { consumerId: 'web' })), /named by its id/)
})

test('a thousand hosts, two thousand placements', async (t) => {
  const [db] = (await processes(t, 1)) as [Database]
  const many = hosts(1000, { vcpus: 64, memoryMb: 262_144, diskGb: 4000, traits: ['COMPUTE_NODE', 'HW_CPU_X86_AVX2'] })
  await db.transaction((tx) => ensureHosts(tx, many))
  await place({ db }, request({ VCPU: 1 }))
  const cpu = process.cpuUsage()
  const asked = Array.from({ length: 2000 }, () =>
    request({ VCPU: 2, MEMORY_MB: 4096, DISK_GB: 20 }, { requiredTraits: ['COMPUTE_NODE'] }),
  )
  await Promise.all(asked.map((each) => place({ db }, each)))
  const { user, system } = process.cpuUsage(cpu)
  t.diagnostic(`${((user + system) / 1000 / asked.length).toFixed(3)} ms of this process's CPU for each placement`)
  await requireSound(db)
})
