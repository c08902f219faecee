import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { dataDirectory, prepareDataDirectory } from './data-directory.ts'
import { cliMain } from './programs.ts'
import { isRoot, runProgram, scratch } from './testing.ts'

const up = (data: string) => [cliMain, 'up', '--sim', '1', '--data', data]

test('a data directory is made with all its parents, passable for other users whatever the umask', async (t) => {
  const data = dataDirectory(join(scratch(t), 'a/b'))
  const old = process.umask(0o077)
  t.after(() => process.umask(old))
  await prepareDataDirectory(data)
  assert.equal(statSync(data.path).mode & 0o777, 0o755)
  await prepareDataDirectory(data)
})

test('a file in its place, a place where none can be, and a full disk each get a sentence', async (t) => {
  const file = join(scratch(t), 'file')
  writeFileSync(file, '')
  await assert.rejects(prepareDataDirectory(dataDirectory(file)), /is a file, not a directory\.$/)
  await assert.rejects(prepareDataDirectory(dataDirectory(join(file, 'x'))), /cannot be used\. .* is a file/)
  await assert.rejects(prepareDataDirectory(dataDirectory('/proc/pileus')), /cannot be used\./)
  await assert.rejects(prepareDataDirectory(dataDirectory(scratch(t)), 2 ** 50), /is full: \d+ MB are free/)
})

test(
  'a directory of someone else ends `up` with one sentence',
  { skip: !isRoot && 'needs root to be someone else' },
  async (t) => {
    const folder = scratch(t)
    chmodSync(folder, 0o755)
    const data = join(folder, 'var')
    mkdirSync(data, { mode: 0o700 })
    const ended = await runProgram(process.execPath, up(data), { uid: 65534, gid: 65534, cwd: '/' })
    assert.deepEqual([ended.code, ended.stdout], [1, ''])
    assert.equal(ended.stderr, `The data directory ${data} cannot be used. No permission to use ${data}.\n`)
  },
)

test('a full disk ends `up` with one sentence', { skip: !isRoot && 'needs root to mount a small disk' }, async (t) => {
  const data = scratch(t)
  const script = `mount -t tmpfs -o size=1m none ${data} && exec "$@"`
  const ended = await runProgram('unshare', ['-m', 'sh', '-c', script, 'sh', process.execPath, ...up(data)])
  assert.deepEqual([ended.code, ended.stdout], [1, ''])
  assert.match(ended.stderr, /^The disk that holds .* is full: .*\n$/)
})
