// Databases for tests: one throw-away cluster for each test process, one migrated template, a clone for each test.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect } from '#lib/connect.ts'
import { migrate } from '#lib/migrate.ts'
import { startCluster } from '#lib/postgres.ts'

interface TestCluster {
  admin: Client
  urlOf(name: string): string
}

let cluster: Promise<TestCluster> | undefined
let made = 0

async function start(): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-test-'))
  const { url, pid } = await startCluster(dir, { throwAway: true })
  process.once('exit', () => {
    try {
      process.kill(pid, 'SIGQUIT')
    } catch {
      // it is gone already
    }
    // the directory belongs to the database's user: wait until its processes let go of it
    for (let i = 0; i < 50 && alive(pid); i++) execFileSync('sleep', ['0.02'])
    rmSync(dir, { recursive: true, force: true })
  })
  const urlOf = (name: string) => url.replace('/pileus?', `/${name}?`)
  const admin = connect(url, { max: 2, idle_timeout: 1 })
  await admin.unsafe('create database template_empty')
  await migrate(urlOf('template_empty'))
  return { admin, urlOf }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const templates = new Map<string, Promise<void>>()

/**
 * The URL of a database of its own. `template` names a kind of contents that `fill` makes once for each process; the
 * clone is dropped by `drop`.
 */
export async function testDatabase(
  template: string,
  fill: (url: string) => Promise<void>,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const { admin, urlOf } = await (cluster ??= start())
  let ready = templates.get(template)
  if (!ready) {
    ready = (async () => {
      await admin.unsafe(`create database template_${template} template template_empty`)
      await fill(urlOf(`template_${template}`))
    })()
    templates.set(template, ready)
  }
  await ready
  const name = `test_${++made}`
  await admin.unsafe(`create database ${name} template template_${template}`)
  return {
    url: urlOf(name),
    drop: async () => void (await admin.unsafe(`drop database if exists ${name} with (force)`)),
  }
}
