// File systems of a test's own, for tests of full disks: in a mount namespace that ends with the process in it.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'

const isInside = process.env['PILEUS_TEST_NAMESPACE'] !== undefined
const whyNot = process.getuid?.() !== 0 && 'mounts file systems, which needs root'

/** The tests that `define` defines, run in a mount namespace. Call it once in a file, at the end of it. */
export function inMountNamespace(name: string, file: string, define: () => void): void {
  if (isInside) return define()
  test(`${name}, in a mount namespace`, { skip: whyNot }, async () => {
    const run = ['--mount', '--propagation', 'private', process.execPath, '--test', '--test-isolation=none', file]
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn('unshare', run, { env: { ...env, PILEUS_TEST_NAMESPACE: 'yes' } })
    const ended = once(child, 'exit')
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /pass [1-9]/)
  })
}

/** Directories that are file systems of these sizes, as tmpfs is told them: `3m`, `3m,nr_inodes=6`. */
export async function mounted(t: Pick<TestContext, 'after'>, sizes: string[]): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'pileus-disks-'))
  const dirs = sizes.map((_, n) => join(root, `disk${n}`))
  t.after(async () => {
    // a stream that was read to its end closes its file a moment later
    for (const dir of dirs) execFileSync('umount', ['--lazy', dir])
    await rm(root, { recursive: true })
  })
  execFileSync('chmod', ['755', root])
  for (const [n, dir] of dirs.entries()) {
    await mkdir(dir)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizes[n]}`, 'tmpfs', dir])
  }
  return dirs
}
