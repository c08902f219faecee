import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import test from 'node:test'
import { isAlive, livePid, pidFile, pidNames, writePid } from './pid-file.ts'
import { scratch } from './testing.ts'

test('a pid counts only while its process runs and is the one meant', async (t) => {
  const file = pidFile(scratch(t), 'x')
  assert.equal(livePid(file, []), undefined)
  const child = spawn('sleep', ['1000'])
  const pid = child.pid ?? 0
  writePid(file, pid)
  await once(child, 'spawn')
  assert.equal(livePid(file, ['sleep', '1000']), pid)
  assert.equal(livePid(file, ['server/src/main.ts']), undefined)
  child.kill()
  await once(child, 'exit')
  assert.equal(isAlive(pid), false)
  assert.equal(livePid(file, ['sleep']), undefined)
  writeFileSync(file, 'nonsense')
  assert.equal(livePid(file, []), undefined)
})

test('the names of what has a pid file come in their order', async (t) => {
  const folder = scratch(t)
  for (const name of ['server-10', 'server-2', 'agent']) writePid(pidFile(folder, name), 1)
  writeFileSync(`${folder}/lock`, '')
  assert.deepEqual(await pidNames(folder), ['agent', 'server-2', 'server-10'])
  assert.deepEqual(await pidNames(`${folder}/none`), [])
})
