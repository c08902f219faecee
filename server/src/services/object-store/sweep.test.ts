import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { findContainer } from './containers.ts'
import { backendOf } from './backends.ts'
import { putObject } from './store/put.ts'
import { receive } from './store/receive.ts'
import { collectGarbage, expireObjects, sweepOrphans } from './sweep.ts'

const projectId = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const box = `/object-store/v1/AUTH_${projectId}/box`

async function cloudWithBox(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-sweep-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const cloud = await testCloud(t, { data })
  await cloud.as('member').put(box)
  const blobs = async () => {
    const found: string[] = []
    for await (const { id } of backendOf(cloud.app.world, 'disk').list()) found.push(id)
    return found
  }
  return { cloud, data, world: cloud.app.world, member: cloud.as('member'), blobs }
}
const big = (fill: string) => Buffer.alloc(100_000, fill)
async function* one(data: Buffer): AsyncIterable<Buffer> {
  yield data
}

test('bytes of replaced and removed objects are given back; copies keep theirs', async (t) => {
  const { world, member, blobs } = await cloudWithBox(t)
  await member.put(`${box}/o`, undefined, { raw: big('a') })
  await member.call('COPY', `${box}/o`, undefined, { headers: { destination: 'box/copy' } })
  assert.equal((await blobs()).length, 1)
  await member.put(`${box}/o`, undefined, { raw: big('b') })
  await collectGarbage(world)
  assert.equal((await blobs()).length, 2)
  assert.equal((await member.get(`${box}/copy`)).text, big('a').toString())
  await member.delete(`${box}/copy`)
  await member.delete(`${box}/o`)
  await collectGarbage(world)
  assert.deepEqual(await blobs(), [])
})

test('a writer that is killed leaves nothing to see, and the sweeper gives its space back', async (t) => {
  const { data, world, member, blobs } = await cloudWithBox(t)
  await member.put(`${box}/kept`, undefined, { raw: big('k') })
  // one is killed while it writes, one when all is written and nothing committed
  const writer = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { diskBackend } from ${JSON.stringify(join(import.meta.dirname, 'backend/disk/index.ts'))}
       const backend = diskBackend({ name: 'disk', dirs: [${JSON.stringify(join(data, 'objects'))}], make: true })
       const chunk = Buffer.alloc(65536, 'x')
       await backend.write('01999999-0000-7000-8000-000000000001', (async function* () { yield chunk })())
       await backend.write('01999999-0000-7000-8000-000000000002', (async function* () {
         for (let i = 0; ; i++) { yield chunk; if (i === 60) process.stdout.write('writing') }
       })())`,
    ],
    { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(writer.stdout, 'data')
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  assert.equal((await blobs()).length, 2)
  assert.equal((await member.get(box)).text, 'kept\n')
  assert.equal(await sweepOrphans(world), 0, 'what is young may still have a writer')
  assert.equal(await sweepOrphans(world, -1000), 2)
  assert.equal((await blobs()).length, 1)
  assert.equal((await member.get(`${box}/kept`)).text, big('k').toString())
})

test('of two writers of one name one wins whole, and the use is what is there', async (t) => {
  const { world, member, blobs } = await cloudWithBox(t)
  const bodies = Array.from({ length: 12 }, (_, i) =>
    Buffer.alloc(i % 2 ? 50_000 + i : 10 + i, String.fromCodePoint(97 + i)),
  )
  const answers = await Promise.all(bodies.map((raw) => member.put(`${box}/o`, undefined, { raw })))
  assert.ok(answers.every(({ status }) => status === 201))
  const { text } = await member.get(`${box}/o`)
  assert.ok(bodies.some((body) => body.toString() === text))
  const head = await member.head(box)
  assert.equal(head.headers['x-container-object-count'], '1')
  assert.equal(head.headers['x-container-bytes-used'], String(text.length))
  await collectGarbage(world)
  assert.equal((await blobs()).length, text.length > 16_384 ? 1 : 0)
})

test('a container that goes while an object comes: either there is no container, or it has the object', async (t) => {
  const { cloud, world, member } = await cloudWithBox(t)
  const whose = { region: world.config.region, projectId }
  for (let i = 0; i < 5; i++) {
    await member.put(box)
    const [put, gone] = await Promise.all([member.put(`${box}/o`, undefined, { raw: 'x' }), member.delete(box)])
    const left = await findContainer(cloud.db, whose, 'box')
    assert.equal(left === undefined, gone.status === 204)
    assert.equal(put.status, left ? 201 : 404)
    const [rows] = await cloud.db.rows<{ n: string }>(sql`select count(*) as n from object`)
    assert.equal(Number(rows!.n), left ? 1 : 0)
    if (left) await member.delete(`${box}/o`)
  }
})

test('an object whose time is over is not there, and is removed', async (t) => {
  const { cloud, world, member, blobs } = await cloudWithBox(t)
  const container = await findContainer(cloud.db, { region: world.config.region, projectId }, 'box')
  const bytes = await receive(world, one(big('e')))
  const facts = { contentType: 'a/b', metadata: {}, headers: {}, deleteAt: new Date(Date.now() - 5000) }
  await cloud.db.transaction((tx) => putObject(tx, container!, 'old', bytes, facts))
  assert.equal((await member.get(`${box}/old`)).status, 404)
  assert.equal((await member.get(box)).status, 204)
  assert.equal(await expireObjects(world), 1)
  await collectGarbage(world)
  assert.deepEqual(await blobs(), [])
  assert.equal((await member.head(box)).headers['x-container-bytes-used'], '0')
})

test('a writer whose bytes were swept meanwhile gets an error, not an object without bytes', async (t) => {
  const { cloud, world, blobs } = await cloudWithBox(t)
  const container = await findContainer(cloud.db, { region: world.config.region, projectId }, 'box')
  const bytes = await receive(world, one(big('l')))
  const facts = { contentType: 'a/b', metadata: {}, headers: {} }
  const store = () => cloud.db.transaction((tx) => putObject(tx, container!, 'late', bytes, facts))
  assert.equal(await sweepOrphans(world, -1000), 1)
  await assert.rejects(store(), { kind: 'unavailable' })
  assert.deepEqual(await blobs(), [])
  assert.equal(await sweepOrphans(world, -1000), 0)
  await assert.rejects(store(), { kind: 'unavailable' }, 'the id stays taken')
})
