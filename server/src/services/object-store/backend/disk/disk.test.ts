import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { backendConformance } from '../conformance.ts'
import { BlobCorrupt } from '../contract.ts'
import { diskBackend, type DiskOptions } from './index.ts'

async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'pileus-blobs-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function manyDisks(t: TestContext, count: number, options: Partial<DiskOptions> = {}) {
  const root = await scratch(t)
  const dirs = Array.from({ length: count }, (_, n) => join(root, `disk${n}`))
  for (const dir of dirs) await mkdir(dir)
  const backend = diskBackend({ name: 'disk', dirs, copies: 2, ...options })
  const holders = (id: string) => dirs.filter((dir) => existsSync(join(dir, id.slice(-2), id)))
  return { root, dirs, backend, holders, fileOf: (dir: string, id: string) => join(dir, id.slice(-2), id) }
}

backendConformance('one disk', async (t) =>
  diskBackend({ name: 'disk', dirs: [join(await scratch(t), 'new')], make: true }),
)
backendConformance('two copies on three disks', async (t) => (await manyDisks(t, 3)).backend)

async function* all(data: Buffer): AsyncIterable<Buffer> {
  yield data
}
const deep = { deep: true }
const whole = (repaired: number) => ({ state: 'whole', repaired })

async function flipBit(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0]! ^= 4
  await file.write(byte, 0, 1, at)
  await file.close()
}

const harms: Record<string, (path: string, other: string) => Promise<void>> = {
  'a flipped bit at the beginning': (path) => flipBit(path, 3),
  'a flipped bit in the middle': (path) => flipBit(path, 1_500_000),
  'a flipped bit in a sum': (path) => flipBit(path, 65_537),
  'a lost end': (path) => truncate(path, 1_000_000),
  'a lost end, at a block': (path) => truncate(path, 65_540 * 20),
  'nothing left': (path) => truncate(path, 0),
  'another blob': async (path, other) => writeFile(path, await readFile(other)),
  'no file': (path) => rm(path),
}
for (const [harm, harmed] of Object.entries(harms))
  test(`${harm}: readers get the other copy's bytes, and the copy is made anew`, async (t) => {
    const { backend, dirs, holders, fileOf } = await manyDisks(t, 2)
    const [id, otherId, data] = [newId(), newId(), randomBytes(3_000_000)]
    await backend.write(id, all(data))
    await backend.write(otherId, all(randomBytes(3_000_000)))
    for (const dir of dirs) {
      await harmed(fileOf(dir, id), fileOf(dir, otherId))
      assert.ok(data.equals(await allOf(await backend.read(id))))
      assert.ok(
        data.subarray(70_000, 2_900_001).equals(await allOf(await backend.read(id, { start: 70_000, end: 2_900_000 }))),
      )
      // the reader began the repair: wait for its end, whoever makes it
      for (let n = 0; n < 100 && (await backend.check(id, deep)).repaired > 0; n++);
      assert.deepEqual(await backend.check(id, deep), whole(0))
      assert.deepEqual(holders(id), dirs)
    }
  })

test('where no copy is right readers get an error, never wrong bytes, and nothing is taken away', async (t) => {
  const { backend, dirs, holders, fileOf } = await manyDisks(t, 2)
  const [id, data] = [newId(), randomBytes(3_000_000)]
  await backend.write(id, all(data))
  for (const dir of dirs) await flipBit(fileOf(dir, id), 2_500_000)
  const got: Buffer[] = []
  await assert.rejects(async () => {
    for await (const piece of await backend.read(id)) got.push(Buffer.from(piece))
  }, BlobCorrupt)
  assert.ok(data.subarray(0, Buffer.concat(got).length).equals(Buffer.concat(got)))
  assert.deepEqual(await backend.check(id, deep), { state: 'corrupt', repaired: 0 })
  assert.deepEqual(holders(id), dirs)
  await assert.rejects(backend.read(id, { start: 2_500_000, end: 2_500_010 }), BlobCorrupt)
  assert.equal((await allOf(await backend.read(id, { start: 0, end: 99 }))).length, 100)
})

test('a disk that was emptied is noticed, and filled again', async (t) => {
  const { backend, dirs, holders } = await manyDisks(t, 3)
  const ids = Array.from({ length: 20 }, () => newId())
  for (const id of ids) await backend.write(id, all(randomBytes(20_000)))
  assert.equal(await backend.wantsFilling(), true, 'new disks')
  await backend.filled()
  assert.equal(await backend.wantsFilling(), false)
  await rm(dirs[1]!, { recursive: true })
  assert.equal(await backend.wantsFilling(), false, 'a disk that is not there cannot be filled')
  await mkdir(dirs[1]!)
  assert.equal(await backend.wantsFilling(), true)
  let repaired = 0
  for (const id of ids) repaired += (await backend.check(id, { deep: false })).repaired
  assert.ok(repaired > 0)
  for (const id of ids) assert.equal(holders(id).length, 2)
  assert.equal(ids.filter((id) => holders(id).includes(dirs[1]!)).length, repaired)
})

test('while a disk is away its share is written elsewhere; it moves back when the disk does', async (t) => {
  const { backend, dirs, holders } = await manyDisks(t, 3)
  await rm(dirs[0]!, { recursive: true })
  const ids = Array.from({ length: 20 }, () => newId())
  for (const id of ids) await backend.write(id, all(Buffer.from(id)))
  for (const id of ids) assert.deepEqual(holders(id), dirs.slice(1))
  await mkdir(dirs[0]!)
  for (const id of ids) await backend.check(id, { deep: false })
  const moved = ids.filter((id) => holders(id).includes(dirs[0]!))
  assert.ok(moved.length > 5 && moved.length < 20)
  for (const id of ids) {
    assert.equal(holders(id).length, 2)
    assert.equal((await allOf(await backend.read(id))).toString(), id)
  }
})

test('a new disk takes its share of what there is, and nobody else has to move', async (t) => {
  const { root, dirs, backend } = await manyDisks(t, 3)
  const ids = Array.from({ length: 20 }, () => newId())
  for (const id of ids) await backend.write(id, all(Buffer.from(id)))
  const before = new Map(await Promise.all(dirs.map(async (dir) => [dir, await held(dir)] as const)))
  const added = join(root, 'added')
  await mkdir(added)
  const wider = diskBackend({ name: 'disk', dirs: [...dirs, added], copies: 2 })
  for (const id of ids) await wider.check(id, { deep: false })
  assert.ok((await held(added)).length > 3)
  for (const dir of dirs) for (const id of await held(dir)) assert.ok(before.get(dir)!.includes(id))
})
async function held(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.includes('/'))
}

test('with too few disks for its copies a write fails and leaves nothing, unless fewer are allowed', async (t) => {
  const { backend, dirs } = await manyDisks(t, 2)
  await rm(dirs[0]!, { recursive: true })
  await assert.rejects(backend.write(newId(), all(Buffer.alloc(100))), { kind: 'unavailable' })
  for await (const blob of backend.list()) assert.fail(`${blob.id} was left behind`)
  const lenient = diskBackend({ name: 'disk', dirs, copies: 2, atLeast: 1 })
  const id = newId()
  await lenient.write(id, all(Buffer.from('one')))
  await mkdir(dirs[0]!)
  assert.deepEqual(await lenient.check(id, deep), whole(1))
})

test('a disk that the operator has yet to mount is not written into', async (t) => {
  const dir = join(await scratch(t), 'not-mounted')
  const backend = diskBackend({ name: 'disk', dirs: [dir] })
  await assert.rejects(backend.write(newId(), all(Buffer.alloc(10))), { kind: 'unavailable' })
  assert.equal(existsSync(dir), false)
  assert.deepEqual(await backend.places(), [{ where: dir, available: false }])
})
