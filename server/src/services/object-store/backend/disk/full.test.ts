// Disks that are full, or break.
import assert from 'node:assert/strict'
import fs, { type FileHandle, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { inMountNamespace, mounted } from '#lib/testing/mounts.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { diskBackend } from './index.ts'

// what disks say late: when delayed blocks are really taken, when a folder needs another one, or when they break
for (const [where, breakIt] of Object.entries({ fsync, rename, folderSync }))
  for (const [code, fault] of [
    ['ENOSPC', { kind: 'noSpace' }],
    ['EDQUOT', { kind: 'noSpace' }],
    ['EIO', { kind: 'unavailable', code: '503' }],
  ] as const)
    test(`${code} at ${where} is a fault, nothing stays, and the next write is well`, async (t) => {
      const dir = await mkdtemp(join(tmpdir(), 'pileus-disk-'))
      t.after(() => rm(dir, { recursive: true }))
      const backend = diskBackend({ name: 'disk', dirs: [dir] })
      const [kept, refused] = [newId(), newId()]
      await backend.write(kept, megabytes(1))
      const mend = await breakIt(t, dir, code)
      await assert.rejects(backend.write(refused, megabytes(1)), fault)
      mend()
      assert.deepEqual(await held(dir), [join(kept.slice(-2), kept)])
      await backend.write(refused, megabytes(1))
      for (const id of [kept, refused]) assert.equal((await allOf(await backend.read(id))).length, 1 << 20)
    })

const failure = (code: string) => Object.assign(new Error(`${code}: made by a test`), { code })

/** The handles of files have one prototype, which `node:fs` does not show otherwise. */
async function handles(dir: string): Promise<FileHandle> {
  const file = await open(dir)
  await file.close()
  return Object.getPrototypeOf(file) as FileHandle
}
async function fsync(t: TestContext, dir: string, code: string): Promise<() => void> {
  const broken = t.mock.method(await handles(dir), 'datasync', () => Promise.reject(failure(code)))
  return () => broken.mock.restore()
}
async function folderSync(t: TestContext, dir: string, code: string): Promise<() => void> {
  const broken = t.mock.method(await handles(dir), 'sync', () => Promise.reject(failure(code)))
  return () => broken.mock.restore()
}
async function rename(t: TestContext, _dir: string, code: string): Promise<() => void> {
  const broken = t.mock.method(fs, 'rename', () => Promise.reject(failure(code)))
  syncBuiltinESMExports()
  return () => {
    broken.mock.restore()
    syncBuiltinESMExports()
  }
}

async function* megabytes(count: number): AsyncIterable<Buffer> {
  for (let i = 0; i < count * 16; i++) yield Buffer.alloc(65_536, i)
}
async function held(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.includes('/'))
}

inMountNamespace('full disks', import.meta.filename, () => {
  test('a disk without room is a fault that says so, and nothing stays', async (t) => {
    const dirs = await mounted(t, ['3m'])
    const backend = diskBackend({ name: 'disk', dirs })
    await assert.rejects(backend.write(newId(), megabytes(4)), { kind: 'noSpace' })
    for await (const blob of backend.list()) assert.fail(`${blob.id} was left behind`)
    assert.equal(await backend.removeUnfinished(-1000), 0)
    assert.deepEqual(await backend.write(newId(), megabytes(2)), { size: 2 << 20 })
  })

  test('a full disk among others is passed over, or with fewer copies allowed done without', async (t) => {
    const dirs = await mounted(t, ['2m', '600m', '600m'])
    const backend = diskBackend({ name: 'disk', dirs, copies: 2 })
    for (let n = 0; n < 4; n++) assert.deepEqual(await backend.write(newId(), megabytes(3)), { size: 3 << 20 })
    assert.deepEqual(await held(dirs[0]!), [])
    const lenient = diskBackend({ name: 'disk', dirs: dirs.slice(0, 2), copies: 2, atLeast: 1 })
    const id = newId()
    assert.deepEqual(await lenient.write(id, megabytes(3)), { size: 3 << 20 })
    assert.equal((await allOf(await lenient.read(id))).length, 3 << 20)
  })

  test('a disk that is full when the blob is to become visible, or has no inode left, says so too', async (t) => {
    const [dir] = await mounted(t, ['3m,nr_inodes=6'])
    const backend = diskBackend({ name: 'disk', dirs: [dir!] })
    // folders and files use up the inodes: the next one is refused at open or at mkdir
    const made: string[] = []
    await assert.rejects(
      async () => {
        for (let n = 0; n < 6; n++) {
          const id = newId()
          await backend.write(id, megabytes(0.0625))
          made.push(id)
        }
      },
      { kind: 'noSpace' },
    )
    assert.ok(made.length > 0)
    for (const id of made) assert.equal((await allOf(await backend.read(id))).length, 65_536)
  })
})
