import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { isAlive, readPid } from '../pid-file.ts'
import { scratch } from '../testing.ts'
import { keep, type Program } from './keeper.ts'

function program(t: TestContext, source: string): Program {
  const folder = scratch(t)
  return {
    name: 'server-1',
    args: ['-e', source],
    env: {},
    log: join(folder, 'server-1.log'),
    pidFile: join(folder, 'server-1.pid'),
    readyMark: '"ready":true',
  }
}

const serves = `console.log('{"ready":true}'); setInterval(() => {}, 1000)`

test('a program that dies is started again, and ends when it is told to', async (t) => {
  const lines = new EventTarget()
  const wanted = program(t, serves)
  const keeper = keep(
    wanted,
    (line) => lines.dispatchEvent(new CustomEvent('line', { detail: line })),
    (sentence) => assert.fail(sentence),
  )
  await keeper.ready
  const first = readPid(wanted.pidFile) ?? 0
  assert.ok(isAlive(first))
  process.kill(first, 'SIGKILL')
  const [event] = (await once(lines, 'line')) as [CustomEvent<string>]
  assert.equal(event.detail, 'server-1 ended (SIGKILL); starting it again.')
  while (readPid(wanted.pidFile) === undefined) await new Promise(setImmediate)
  const second = readPid(wanted.pidFile) ?? 0
  assert.notEqual(second, first)
  await keeper.stop(5_000)
  assert.equal(isAlive(second), false)
  assert.equal(existsSync(wanted.pidFile), false)
})

test('a program that never starts is given up with its last words', async (t) => {
  const given = Promise.withResolvers<string>()
  const keeper = keep(program(t, `console.error('The database is gone.'); process.exit(1)`), () => {}, given.resolve)
  assert.match(await given.promise, /^The server-1 ended 3 times .* given up: The database is gone\. \(see /)
  await assert.rejects(keeper.ready, /given up/)
  await keeper.stop(1_000)
})

test('a program whose number cannot be written down runs all the same', async (t) => {
  const said: string[] = []
  const keeper = keep(
    { ...program(t, serves), pidFile: join(scratch(t), 'no-such-folder', 'server-1.pid') },
    (line) => said.push(line),
    (sentence) => assert.fail(sentence),
  )
  await keeper.ready
  assert.match(said.join(), /^The number of server-1 could not be written down: .*ENOENT/)
  await keeper.stop(5_000)
})

test('readiness is seen in pieces, and behind a log that was emptied', async (t) => {
  const wanted = program(
    t,
    `const { truncateSync } = require('node:fs')
    console.log('x'.repeat(100_000))
    setTimeout(() => {
      truncateSync(process.env.LOG)
      process.stdout.write('{"rea')
      setTimeout(() => console.log('dy":true}'), 50)
    }, 50)
    setInterval(() => {}, 1000)`,
  )
  const keeper = keep(
    { ...wanted, env: { LOG: wanted.log } },
    () => {},
    (sentence) => assert.fail(sentence),
  )
  await keeper.ready
  await keeper.stop(5_000)
})

test('a program that does not hear SIGTERM is killed after the grace', async (t) => {
  const wanted = program(t, `process.on('SIGTERM', () => {}); ${serves}`)
  const keeper = keep(
    wanted,
    () => {},
    (sentence) => assert.fail(sentence),
  )
  await keeper.ready
  const pid = readPid(wanted.pidFile) ?? 0
  await keeper.stop(10)
  assert.equal(isAlive(pid), false)
})
