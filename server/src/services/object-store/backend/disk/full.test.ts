// Disks that are full: file systems of their own, in a mount namespace that ends with the process that this test starts.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { diskBackend } from './index.ts'

const isInside = process.env['PILEUS_TEST_NAMESPACE'] === 'full'
const whyNot = process.getuid?.() !== 0 && 'mounts file systems, which needs root'

if (!isInside)
  test('full disks, in a mount namespace', { skip: whyNot }, () => {
    const run = ['--mount', '--propagation', 'private', process.execPath, '--test', '--test-isolation=none']
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const { status, stdout, stderr } = spawnSync('unshare', [...run, import.meta.filename], {
      env: { ...env, PILEUS_TEST_NAMESPACE: 'full' },
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /pass 3/)
  })
else inside()

function inside(): void {
  test('a disk without room is a fault that says so, and nothing stays', async (t) => {
    const dirs = await mounted(t, ['3m'])
    const backend = diskBackend({ name: 'disk', dirs })
    await assert.rejects(backend.write(newId(), megabytes(4)), { kind: 'overQuota', code: '507' })
    for await (const blob of backend.list()) assert.fail(`${blob.id} was left behind`)
    assert.equal(await backend.removeUnfinished(-1000), 0)
    assert.deepEqual(await backend.write(newId(), megabytes(2)), { size: 2 << 20 })
  })

  test(
    'a full disk among others is passed over, or with fewer copies allowed done without',
    { skip: whyNot },
    async (t) => {
      const dirs = await mounted(t, ['2m', '600m', '600m'])
      const backend = diskBackend({ name: 'disk', dirs, copies: 2 })
      for (let n = 0; n < 4; n++) assert.deepEqual(await backend.write(newId(), megabytes(3)), { size: 3 << 20 })
      assert.deepEqual(await held(dirs[0]!), [])
      const lenient = diskBackend({ name: 'disk', dirs: dirs.slice(0, 2), copies: 2, atLeast: 1 })
      const id = newId()
      assert.deepEqual(await lenient.write(id, megabytes(3)), { size: 3 << 20 })
      assert.equal((await allOf(await lenient.read(id))).length, 3 << 20)
    },
  )

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
      { kind: 'overQuota', code: '507' },
    )
    assert.ok(made.length > 0)
    for (const id of made) assert.equal((await allOf(await backend.read(id))).length, 65_536)
  })
}

async function mounted(t: TestContext, options: string[]): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'pileus-disks-'))
  const dirs = options.map((_, n) => join(root, `disk${n}`))
  t.after(async () => {
    // a stream that was read to its end closes its file a moment later
    for (const dir of dirs) execFileSync('umount', ['--lazy', dir])
    await rm(root, { recursive: true })
  })
  for (const [n, dir] of dirs.entries()) {
    await mkdir(dir)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options[n]}`, 'tmpfs', dir])
  }
  return dirs
}
async function* megabytes(count: number): AsyncIterable<Buffer> {
  for (let i = 0; i < count * 16; i++) yield Buffer.alloc(65_536, i)
}
async function held(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.includes('/'))
}
