import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { newId } from '#lib/id.ts'
import { backendConformance } from './conformance.ts'
import { diskBackend } from './disk.ts'

backendConformance('disk', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'pileus-blobs-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return diskBackend(dir)
})

const isRoot = process.getuid?.() === 0

test(
  'a disk without room is a fault that says so, and nothing stays',
  { skip: !isRoot && 'mounts a file system' },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pileus-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir])
    try {
      const backend = diskBackend(join(dir, 'objects'))
      async function* data(count: number) {
        for (let i = 0; i < count; i++) yield Buffer.alloc(65_536, i)
      }
      await assert.rejects(backend.write(newId(), data(40)), { kind: 'overQuota', code: '507' })
      for await (const blob of backend.list()) assert.fail(`${blob.id} was left behind`)
      assert.deepEqual(await backend.write(newId(), data(4)), { size: 262_144 })
    } finally {
      execFileSync('umount', [dir])
      await rm(dir, { recursive: true, force: true })
    }
  },
)
