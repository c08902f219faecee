import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, RunError } from './run.ts'

test('input goes in, output comes out', async () => {
  assert.deepEqual(await run('sh', ['-c', 'cat; echo said >&2'], { input: 'hello' }), {
    stdout: 'hello',
    stderr: 'said\n',
  })
})

test('a bad end throws what the program said', async () => {
  await assert.rejects(run('sh', ['-c', 'echo no such bridge >&2; exit 3']), (error) => {
    assert.ok(error instanceof RunError)
    assert.equal(error.exitCode, 3)
    assert.match(error.message, /exit code 3: no such bridge/)
    return true
  })
})

test('a program that is not there throws too', async () => {
  await assert.rejects(run('/no/such/program', []), /ENOENT/)
})

test('a program that does not end is killed', async () => {
  await assert.rejects(run('sleep', ['1000'], { timeoutMs: 20 }), /did not end within 20 ms/)
})

test('an abort signal ends it', async () => {
  const stop = new AbortController()
  const running = run('sleep', ['1000'], { signal: stop.signal })
  stop.abort()
  await assert.rejects(running, /abort/)
})
