import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { holdLock, planeLock } from './lock.ts'

const main = join(import.meta.dirname, 'main.ts')

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pileus-main-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

async function agent(...args: string[]): Promise<{ code: number | null; lines: { level: number; msg: string }[] }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  const lines = output.trim().split('\n')
  return { code, lines: lines.map((line) => JSON.parse(line) as { level: number; msg: string }) }
}

test('a second agent on a data directory says so in a sentence and ends', async (t) => {
  const dataDir = await folder(t)
  await holdLock(join(dataDir, 'agent.lock'), 'taken')
  const { code, lines } = await agent('--data', dataDir, '--teardown')
  assert.equal(code, 1)
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    [`Another agent works on ${dataDir} already.`],
  )
})

const isRoot = process.getuid?.() === 0
test('a second agent on a data plane says so in a sentence and ends', { skip: !isRoot && 'needs root' }, async (t) => {
  const namespace = `pt${randomBytes(3).toString('hex')}`
  t.after(() => rm(planeLock(namespace), { force: true }))
  await holdLock(planeLock(namespace), 'taken')
  const { code, lines } = await agent('--data', await folder(t), '--namespace', namespace, '--teardown')
  assert.equal(code, 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0]?.msg ?? '', new RegExp(`^Another agent works on the data plane ${namespace} already; `))
})

test('a log on a full disk ends nothing', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const source = `
      const { openLog } = await import(${JSON.stringify(join(import.meta.dirname, 'log.ts'))})
      const log = openLog('info')
      for (let i = 0; i < 100; i++) log.info('x'.repeat(50_000))
      setImmediate(() => process.exit(7))`
    const args = ['--input-type=module', '-e', source]
    const child = spawn(process.execPath, args, { stdio: ['ignore', full, 'inherit'] })
    assert.deepEqual(await once(child, 'exit'), [7, null])
  } finally {
    closeSync(full)
  }
})
