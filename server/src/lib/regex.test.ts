import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { linearPattern } from '#lib/regex.ts'

const steps = 1000
/** In a process of its own, that can be ended: what takes for ever here takes the test with it. */
async function answersOf(cases: readonly [source: string, text: string][]): Promise<boolean[]> {
  const script = `
    const { linearPattern } = await import(process.argv[1])
    const cases = JSON.parse(process.argv[2])
    process.stdout.write(JSON.stringify(cases.map(([source, text]) => linearPattern(source, ${steps}).test(text))))`
  const args = ['--input-type=module', '-e', script, join(import.meta.dirname, 'regex.ts'), JSON.stringify(cases)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
  return JSON.parse(stdout) as boolean[]
}

test('expressions that others never come to an end with do', async () => {
  const many = 'a'.repeat(1024)
  const cases: [string, string][] = [
    ['^(a+)+$', `${many}!`],
    ['^(a|aa)+$', `${many}!`],
    ['(x+x+)+y', 'x'.repeat(1024)],
    ['^(([a-z0-9])+.?)*@$', many],
    ['(.*)*(.*)*(.*)*=$', many],
    ['^(a+)+$', many],
  ]
  assert.deepEqual(await answersOf(cases), [false, false, false, false, false, true])
})

test('expressions that would be too big, or cannot be read, are refused', () => {
  assert.throws(() => linearPattern('a{1000}', 100), /too big/)
  assert.throws(() => linearPattern('((a{1,30}){1,30}){1,30}', steps))
  for (const bad of ['(', '(?=a)', '(a)\\1']) assert.throws(() => linearPattern(bad, steps), bad)
})
