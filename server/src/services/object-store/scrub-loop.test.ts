// The scrubber as it runs by itself: only its clock is a test's.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Config } from '#lib/config.ts'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { startScrubbing } from './scrub.ts'

const box = '/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/box'
const minuteMs = 60_000
const big = (name: string) => Buffer.alloc(150_000, name)

async function scrubbed(t: TestContext, more: Partial<Config> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'pileus-loop-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const dirs = ['a', 'b'].map((name) => join(root, name))
  for (const dir of dirs) await mkdir(dir)
  const settings = { objectDirs: dirs.join(), objectCopies: 2, objectScrubDays: 0, objectScrubMbS: 10_000 }
  const cloud = await testCloud(t, { data: root, ...settings, ...more })
  const member = cloud.as('member')
  await member.put(box)
  t.mock.timers.enable({ apis: ['setInterval'] })
  return {
    ...{ db: cloud.db, member, dirs },
    write: async (name: string) => {
      assert.equal((await member.put(`${box}/${name}`, undefined, { raw: big(name) })).status, 201)
    },
    /** The copies of an object, by disk. */
    async copies(name: string) {
      const [row] = await cloud.db.rows<{ blob: string }>(
        sql`select extents -> 0 ->> 'blob' as blob from object where name = ${name}`,
      )
      return dirs.map((dir) => join(dir, row!.blob.slice(-2), row!.blob))
    },
    start() {
      const stop = startScrubbing(cloud.app.world)
      t.after(stop)
      return stop
    },
    /** A minute passes for it, again and again, until that is so. */
    async until(isSo: () => Promise<boolean>) {
      while (!(await isSo())) {
        t.mock.timers.tick(minuteMs)
        await setImmediate()
      }
    },
  }
}

async function flip(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 70_000)
  await file.write(Buffer.from([buffer[0]! ^ 1]), 0, 1, 70_000)
  await file.close()
}

const same = async ([one, other]: string[]) =>
  existsSync(one!) && existsSync(other!) && (await readFile(one!)).equals(await readFile(other!))

test(
  'the loop finds a wrong byte, a lost end and a missing copy, and makes them anew',
  { timeout: 60_000 },
  async (t) => {
    const { db, member, write, copies, start, until } = await scrubbed(t)
    const names = ['whole', 'flipped', 'cut', 'gone']
    for (const name of names) await write(name)
    const whole = await readFile((await copies('flipped'))[0]!)
    await flip((await copies('flipped'))[0]!)
    await truncate((await copies('cut'))[1]!, 100_000)
    await rm((await copies('gone'))[0]!)
    start()
    const allSame = async () => (await Promise.all(names.map(async (name) => same(await copies(name))))).every(Boolean)
    await until(allSame)
    assert.ok((await readFile((await copies('flipped'))[0]!)).equals(whole))
    // round after round: what is damaged later is found as well
    await flip((await copies('whole'))[1]!)
    await until(allSame)
    for (const name of names) assert.equal((await member.get(`${box}/${name}`)).text, big(name).toString())
    // and what nobody can make whole is told
    for (const path of await copies('cut')) await flip(path)
    const damage = () => db.rows<{ problem: string }>(sql`select problem from object_damage`)
    await until(async () => (await damage()).length > 0)
    assert.deepEqual([...(await damage())], [{ problem: 'corrupt' }])
  },
)

test('a disk that comes back empty is filled by the loop', { timeout: 60_000 }, async (t) => {
  const { dirs, write, copies, start, until } = await scrubbed(t, { objectScrubMbS: 0 })
  for (const name of ['one', 'other']) await write(name)
  start()
  await until(async () => dirs.every((dir) => existsSync(join(dir, 'filled'))))
  await rm(dirs[0]!, { recursive: true })
  await mkdir(dirs[0]!)
  await until(async () => existsSync(join(dirs[0]!, 'filled')))
  for (const name of ['one', 'other']) assert.ok(await same(await copies(name)))
})

test('a backend that does not answer keeps no other from being scrubbed', { timeout: 60_000 }, async (t) => {
  const nowhere = {
    name: 'far',
    kind: 's3',
    endpoint: 'http://127.0.0.1:9',
    bucket: 'b',
    accessKey: 'k',
    secretKey: 's',
  }
  const spare = await mkdtemp(join(tmpdir(), 'pileus-loop-spare-'))
  t.after(() => rm(spare, { recursive: true, force: true }))
  const dirs = ['a', 'b'].map((name) => join(spare, name))
  for (const dir of dirs) await mkdir(dir)
  const { db, member, start, until } = await scrubbed(t, {
    objectBackends: [nowhere as never, { name: 'spare', kind: 'disk', dirs, copies: 2 }],
    objectClasses: [{ name: 'SPARE', backend: 'spare' }],
  })
  const into = box.replace('box', 'spare')
  await member.put(into, undefined, { headers: { 'x-storage-policy': 'SPARE' } })
  await member.put(`${into}/o`, undefined, { raw: big('o') })
  // something is said to lie where nobody answers
  await db.transaction((tx) =>
    tx.rows(sql`insert into object_blob (id, size, refs, backend) values (gen_random_uuid(), 1, 1, 'far')`),
  )
  const [row] = await db.rows<{ blob: string }>(sql`select extents -> 0 ->> 'blob' as blob from object`)
  const paths = dirs.map((dir) => join(dir, row!.blob.slice(-2), row!.blob))
  await flip(paths[0]!)
  start()
  await until(() => same(paths))
})
