import assert from 'node:assert/strict'
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { isRoot, runProgram, scratch } from '../testing.ts'
import { findClosedDirectory, openPassage } from './passage.ts'

function closedParent(t: TestContext): { closed: string; inside: string } {
  const closed = scratch(t) // made for its owner alone
  const inside = join(closed, 'a/b')
  mkdirSync(inside, { recursive: true })
  chmodSync(inside, 0o755)
  return { closed, inside }
}

test('the directory that keeps others out is found', (t) => {
  const { closed, inside } = closedParent(t)
  assert.equal(findClosedDirectory(inside), closed)
  chmodSync(closed, 0o755)
  assert.equal(findClosedDirectory(inside), undefined)
})

test('an open directory is its own passage, and one closed itself gets a sentence', async (t) => {
  const { closed, inside } = closedParent(t)
  if (isRoot) await assert.rejects(openPassage(closed), /the database and the guests run as other users: chmod o\+x/)
  chmodSync(closed, 0o755)
  assert.equal(await openPassage(inside), inside)
})

test(
  'other users reach a directory behind a closed one',
  { skip: !isRoot && 'needs root to bind directories' },
  async (t) => {
    const { closed, inside } = closedParent(t)
    // In a mount namespace of its own, so that nothing stays behind: asked twice, it is the same place.
    const source = `
    const { openPassage } = await import(${JSON.stringify(join(import.meta.dirname, 'passage.ts'))})
    const [first, second] = [await openPassage(process.argv[1]), await openPassage(process.argv[1])]
    process.setuid(65534)
    const { readdirSync } = await import('node:fs')
    console.log(JSON.stringify([first === second, readdirSync(first)]))`
    mkdirSync(join(inside, 'there'))
    const node = [process.execPath, '--input-type=module', '-e', source, inside]
    const { stdout, stderr } = await runProgram('unshare', [
      '-m',
      'sh',
      '-c',
      'mount -t tmpfs none /run && exec "$@"',
      'sh',
      ...node,
    ])
    assert.equal(stderr, '')
    assert.deepEqual(JSON.parse(stdout), [true, ['there']])
    assert.equal(dirname(dirname(inside)), closed)
  },
)
