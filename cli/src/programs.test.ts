import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { lastSentence, runOnce } from './programs.ts'
import { scratch } from './testing.ts'

test('the last words of an output are its last line that says something', () => {
  assert.equal(lastSentence(''), undefined)
  assert.equal(lastSentence('one\nThe database is gone.\n\n'), 'The database is gone.')
  assert.equal(lastSentence('{"level":50,"msg":"no such port"}\n'), 'no such port')
  const stack = 'x.ts:1\n\nError: it broke\n    at f (x.ts:1:2)\n    at g (y.ts:3:4)\n\nNode.js v26.10.0\n'
  assert.equal(lastSentence(stack), 'Error: it broke')
})

test('a program run once gives its output, or fails with its last words', async (t) => {
  const folder = scratch(t)
  const log = join(folder, 'log')
  const base = { command: 'sh', env: { PATH: process.env['PATH'] }, log, failure: 'It does not start.' }
  assert.equal(await runOnce({ ...base, args: ['-c', 'echo noise >&2; echo result'] }), 'result\n')
  await assert.rejects(runOnce({ ...base, args: ['-c', 'echo The port is taken. >&2; exit 3'] }), {
    message: 'It does not start. The port is taken.',
  })
  assert.equal(readFileSync(log, 'utf8'), 'noise\nThe port is taken.\n')
  assert.deepEqual(readdirSync(folder), ['log'])
})

test('a daemon that a program leaves behind does not hold it up', async (t) => {
  const log = join(scratch(t), 'log')
  const args = ['-c', 'sleep 1000 & echo $!']
  const output = await runOnce({ command: 'sh', args, env: { PATH: process.env['PATH'] }, log, failure: '' })
  process.kill(Number(output))
})

test('a program run once ends when it is told to', async (t) => {
  const log = join(scratch(t), 'log')
  const halt = new AbortController()
  const env = { PATH: process.env['PATH'] }
  const run = runOnce({ command: 'sh', args: ['-c', 'sleep 1000'], env, log, signal: halt.signal, failure: '' })
  setImmediate(() => halt.abort())
  await assert.rejects(run, { name: 'AbortError' })
})
