import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { addLine } from '../programs.ts'
import { scratch } from '../testing.ts'
import { trimLog } from './trim-logs.ts'

test('a log is put aside while its program goes on writing', async (t) => {
  const path = join(scratch(t), 'server-1.log')
  const log = openSync(path, 'a')
  t.after(() => closeSync(log))
  writeSync(log, 'a line\n')
  await trimLog(path, 7)
  assert.equal(existsSync(`${path}.1`), false)
  writeSync(log, 'one too many\n')
  await trimLog(path, 7)
  writeSync(log, 'the next\n')
  assert.equal(readFileSync(path, 'utf8'), 'the next\n')
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'a line\none too many\n')
})

test('a line that cannot be written to a full disk ends nothing', () => {
  addLine('/dev/full', 'server-1 ended')
})
