// What a server holds in memory before anybody asked it for anything. Every process pays it, on every machine: what only some
// requests need is imported where it is used (`await import(…)`).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const everyRequest = [
  '@pileus/contract',
  'drizzle-orm',
  'fastify',
  'pino',
  'postgres',
  'prom-client',
  'typebox',
  'ws',
  'yaml',
]
const look = `
  import { registerHooks } from 'node:module'
  const loaded = []
  registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
  await import(process.argv[1])
  process.stdout.write(JSON.stringify({ loaded, builtin: process.moduleLoadList }))
  process.exit()`

test('a server starts without what only some requests need', async () => {
  const app = join(import.meta.dirname, 'app.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', look, app], {
    maxBuffer: 16 * 2 ** 20,
  })
  const { loaded, builtin } = JSON.parse(stdout) as { loaded: string[]; builtin: string[] }
  assert.ok(loaded.length > 300, 'the modules were seen')
  const packages = new Set(loaded.map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]))
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const early = Object.keys(dependencies).filter((name) => packages.has(name) && !everyRequest.includes(name))
  assert.deepEqual(early, [], 'these are to be imported at their first use')
  // `import … from 'node:http'` is enough to load this: lib/http/status.ts says why, and how to do without
  assert.ok(!builtin.some((name) => name.includes('deps/undici')), 'fetch and WebSocket are loaded by nobody')
})
