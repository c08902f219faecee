// What one process says another one hears, or knows that it does not: through a way to the database that is cut, and one that
// goes silent without a word.
import { test } from 'node:test'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testDatabase } from '#lib/testing/database.ts'
import { wayTo } from '#lib/testing/way.ts'

const log = makeLog('test', 'fatal')

/** Resolves when it is said that one hears, or does not. */
function listener() {
  const said: string[] = []
  let next = Promise.withResolvers<void>()
  const say = (word: string) => {
    said.push(word)
    next.resolve()
  }
  return {
    say,
    async until(word: string) {
      while (!said.includes(word)) {
        await next.promise
        next = Promise.withResolvers()
      }
      said.splice(0, said.indexOf(word) + 1)
    },
  }
}

test('a cut way is known at once, a silent one soon, and both are heard from again', { timeout: 60_000 }, async (t) => {
  const { url, drop } = await testDatabase('empty_of_all', async () => {})
  const way = await wayTo(t, url)
  const here = openDatabase(way.url, log, { connections: 2 })
  const there = openDatabase(url, log, { connections: 2 })
  t.after(async () => {
    way.silence(undefined)
    await here.close()
    await there.close()
    await drop()
  })
  const { say, until } = listener()
  here.subscribe(
    'probe',
    (message) => say(`heard ${message}`),
    () => say('hears'),
    () => say('deaf'),
  )
  await until('hears')
  there.publish('probe', 'one')
  await until('heard one')

  way.cut()
  await until('deaf')
  await until('hears')
  there.publish('probe', 'two')
  await until('heard two')

  way.silence('pileus')
  there.publish('probe', 'lost')
  await until('deaf')
  way.silence(undefined)
  await until('hears')
  there.publish('probe', 'three')
  await until('heard three')
})
