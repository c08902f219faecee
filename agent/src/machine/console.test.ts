import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { consoleTail, lastLines } from './console.ts'
import { machineFolder } from './folder.ts'

test('the last lines', () => {
  assert.equal(lastLines('a\nb\nc\n', 2), 'b\nc\n')
  assert.equal(lastLines('a\nb\nc', 2), 'b\nc')
  assert.equal(lastLines('a\nb\nc\n', 3), 'a\nb\nc\n')
  assert.equal(lastLines('a\nb\nc\n', 9), 'a\nb\nc\n')
  assert.equal(lastLines('\nb\n', 1), 'b\n')
  assert.equal(lastLines('\nb\n', 2), '\nb\n')
  assert.equal(lastLines('a\nb\n', 0), '')
  assert.equal(lastLines('', 5), '')
})

test('the log is read from disk, and never through a link', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pileus-console-'))
  t.after(() => rm(dataDir, { recursive: true }))
  const folder = machineFolder(dataDir, 'm1')
  assert.equal(await consoleTail(folder, null), '')
  await mkdir(join(folder.path, 'run'), { recursive: true })
  await writeFile(folder.run('console.log'), 'SeaBIOS\nLinux\nlogin: ')
  assert.equal(await consoleTail(folder, 2), 'Linux\nlogin: ')
  assert.equal(await consoleTail(folder, null), 'SeaBIOS\nLinux\nlogin: ')
  await rm(folder.run('console.log'))
  await writeFile(join(dataDir, 'secret'), 'secret')
  await symlink(join(dataDir, 'secret'), folder.run('console.log'))
  await assert.rejects(consoleTail(folder, null), /ELOOP/)
})
