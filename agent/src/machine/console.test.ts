import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { consoleTail, lastLines, trimLogs } from './console.ts'
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

for (const name of ['console.log', 'qemu.log'])
  test(`${name} is cut to its newest half`, async (t) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'pileus-console-'))
    t.after(() => rm(dataDir, { recursive: true }))
    const folder = machineFolder(dataDir, 'm1')
    await mkdir(join(folder.path, 'run'), { recursive: true })
    const line = `${'x'.repeat(1023)}\n`
    await writeFile(folder.run(name), line.repeat(4096))
    await trimLogs(folder)
    assert.equal((await readFile(folder.run(name))).length, 4096 * 1024)
    await appendFile(folder.run(name), 'the last one\n')
    await trimLogs(folder)
    const kept = await readFile(folder.run(name), 'utf8')
    assert.ok(kept.length < 2049 * 1024 && kept.startsWith('x') && kept.endsWith('\nthe last one\n'))
  })
