import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Config } from '#lib/config.ts'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { startService } from './backend/s3/service.ts'
import { allBackends, backendOf } from './backends.ts'
import { scrubBackend } from './scrub.ts'
import { sweepOrphans } from './sweep.ts'

const projectId = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const box = `/object-store/v1/AUTH_${projectId}/box`
const big = (fill: string) => Buffer.alloc(100_000, fill)

async function cloudWithDisks(t: TestContext, more: Partial<Config> = {}) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-scrub-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const dirs = ['a', 'b', 'c'].map((name) => join(data, name))
  for (const dir of dirs) await mkdir(dir)
  const cloud = await testCloud(t, { data, objectDirs: dirs.join(', '), objectCopies: 2, ...more })
  const member = cloud.as('member')
  await member.put(box)
  const files = async (name: string) => {
    const [row] = await cloud.db.rows<{ blob: string }>(
      sql`select extents -> 0 ->> 'blob' as blob from object where name = ${name}`,
    )
    return dirs.map((dir) => join(dir, row!.blob.slice(-2), row!.blob)).filter((path) => existsSync(path))
  }
  return { cloud, world: cloud.app.world, member, dirs, files }
}

test('damaged and missing copies are made anew; what has no good copy is told to the administrator', async (t) => {
  const { cloud, world, member, files } = await cloudWithDisks(t)
  const disk = backendOf(world, 'disk')
  for (const name of ['good', 'hurt', 'half', 'lost'])
    assert.equal((await member.put(`${box}/${name}`, undefined, { raw: big(name[0]!) })).status, 201)
  await truncate((await files('hurt'))[0]!, 70_000)
  await rm((await files('half'))[1]!)
  const lost = await files('lost')
  for (const path of lost) await truncate(path, 70_000)
  assert.deepEqual(await scrubBackend(world, disk, { deep: true }), { checked: 4, repaired: 2, damaged: 1 })
  for (const name of ['good', 'hurt', 'half']) {
    assert.equal((await files(name)).length, 2)
    assert.equal((await member.get(`${box}/${name}`)).text, big(name[0]!).toString())
  }
  const damaged = async () => (await cloud.as('admin').get('/object-store/storage')).json.damaged
  const [told, ...others] = await damaged()
  assert.deepEqual(
    [told.problem, told.backend, told.objects, others],
    ['corrupt', 'disk', [{ project_id: projectId, container: 'box', name: 'lost' }], []],
  )
  assert.equal((await member.get('/object-store/storage')).status, 403)
  assert.deepEqual(await scrubBackend(world, disk, { deep: true }), { checked: 4, repaired: 0, damaged: 1 })
  await member.delete(`${box}/lost`)
  assert.deepEqual(await damaged(), [])
})

test('a disk that was replaced has its share again, and every object is read on', async (t) => {
  const { world, member, dirs, files } = await cloudWithDisks(t)
  const disk = backendOf(world, 'disk')
  const names = Array.from({ length: 12 }, (_, n) => `o${n}`)
  for (const name of names) await member.put(`${box}/${name}`, undefined, { raw: big(name.at(-1)!) })
  await rm(dirs[2]!, { recursive: true })
  for (const name of names) assert.equal((await member.get(`${box}/${name}`)).text, big(name.at(-1)!).toString())
  await mkdir(dirs[2]!)
  const { repaired } = await scrubBackend(world, disk, { deep: false })
  assert.ok(repaired > 0)
  for (const name of names) assert.equal((await files(name)).length, 2)
})

test('containers of a storage class have their bytes at its backend, copies between classes move them', async (t) => {
  const keys = { accessKey: 'k', secretKey: 's', region: 'us-east-1' }
  const service = await startService(t, keys)
  const { cloud, world, member } = await cloudWithDisks(t, {
    objectBackends: [{ name: 'far', kind: 's3', endpoint: service.endpoint, bucket: 'blobs', prefix: 'x/', ...keys }],
    objectClasses: [{ name: 'COLD', backend: 'far' }],
  })
  const info = (await cloud.as('stranger').get('/info')).json
  assert.deepEqual(
    info.swift.policies.map(({ name }: { name: string }) => name),
    ['Policy-0', 'COLD'],
  )
  const cold = box.replace('box', 'cold')
  assert.equal((await member.put(cold, undefined, { headers: { 'x-storage-policy': 'nope' } })).status, 400)
  assert.equal((await member.put(cold, undefined, { headers: { 'x-storage-policy': 'cold' } })).status, 201)
  assert.equal((await member.put(cold, undefined, { headers: { 'x-storage-policy': 'Policy-0' } })).status, 409)
  assert.equal((await member.put(cold)).status, 202)
  assert.equal((await member.head(cold)).headers['x-storage-policy'], 'COLD')
  assert.equal((await member.head(box)).headers['x-storage-policy'], 'Policy-0')
  await member.put(`${cold}/o`, undefined, { raw: big('c') })
  assert.equal(service.keys().length, 1)
  assert.equal((await member.get(`${cold}/o`)).text, big('c').toString())
  await member.put(`${box}/o`, undefined, { headers: { 'x-copy-from': 'cold/o' } })
  await member.delete(`${cold}/o`)
  assert.equal((await member.get(`${box}/o`)).text, big('c').toString())
  const account = await member.head(box.replace('/box', ''))
  assert.deepEqual(
    ['policy-0', 'cold'].map((policy) => account.headers[`x-account-storage-policy-${policy}-bytes-used`]),
    ['100000', '0'],
  )
  assert.equal(allBackends(world).length, 2)
  const { places } = (await cloud.as('admin').get('/object-store/storage')).json
  assert.deepEqual(
    places.map(({ backend, available }: { backend: string; available: boolean }) => [backend, available]),
    [...Array.from({ length: 3 }, () => ['disk', true]), ['far', true]],
  )
})

test('a killed writer of any backend leaves no lost space', async (t) => {
  const keys = { accessKey: 'k', secretKey: 's', region: 'us-east-1' }
  const service = await startService(t, keys)
  const { world } = await cloudWithDisks(t, {
    objectBackends: [{ name: 'far', kind: 's3', endpoint: service.endpoint, bucket: 'blobs', ...keys }],
  })
  async function* one(): AsyncIterable<Buffer> {
    yield big('z')
  }
  for (const [n, backend] of allBackends(world).entries())
    await backend.write(`01999999-0000-7000-8000-00000000000${n}`, one())
  service.begin('01999999-0000-7000-8000-000000000009')
  assert.equal(await sweepOrphans(world), 0)
  assert.equal(await sweepOrphans(world, -1000), 3)
  assert.deepEqual([service.keys(), service.uploads()], [[], 0])
  for await (const { id } of backendOf(world, 'disk').list()) assert.fail(id)
})
