import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'node:test'
import { isLocked, takeLock } from './lock.ts'
import { scratch } from './testing.ts'

test('a lock is held once, and a killed holder frees it', async (t) => {
  const folder = scratch(t)
  const source = `
    const { takeLock } = await import(${JSON.stringify(join(import.meta.dirname, 'lock.ts'))})
    const lock = takeLock(${JSON.stringify(folder)})
    console.log(lock === undefined ? 'refused' : 'held')
    setInterval(() => lock, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(holder.stdout, 'data')) as [Buffer]
  assert.equal(said.toString(), 'held\n')
  assert.equal(takeLock(folder), undefined)
  assert.equal(isLocked(folder), true)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  assert.equal(isLocked(folder), false)
  const lock = takeLock(folder)
  assert.ok(lock)
  lock.release()
  assert.equal(isLocked(folder), false)
})
