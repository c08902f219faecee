// A whole cloud in one test: a database of its own, the real routes and services, the simulated hosts, no network.
import type { TestContext } from 'node:test'
import type { InjectOptions } from 'fastify'
import { type App, makeApp } from '#app'
import type { SimCloud } from '../../clouds/sim/index.ts'
import { type Config, readConfig } from '#lib/config.ts'
import { type Database, openDatabase } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import type { Method } from '#lib/http/route.ts'
import { makeLog } from '#lib/log.ts'
import { testDatabase } from '#lib/testing/database.ts'
import type { Task } from '#lib/task.ts'
import { drainTasks } from '#lib/worker.ts'
import { type Persona, personas, seedPersonas } from '#lib/testing/personas.ts'

export interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- replies are looked into freely; the assertions are the types
  json: any
  text: string
  headers: Record<string, string>
}
export interface ClientOptions {
  headers?: Record<string, string>
  /** Sent as it is, with its own content type. */
  raw?: string | Buffer
}
export interface TestClient {
  readonly projectId: string
  readonly userId: string
  readonly token: string
  call(method: Method, path: string, body?: unknown, options?: ClientOptions): Promise<Answer>
  get(path: string, options?: ClientOptions): Promise<Answer>
  head(path: string, options?: ClientOptions): Promise<Answer>
  delete(path: string, options?: ClientOptions): Promise<Answer>
  post(path: string, body?: unknown, options?: ClientOptions): Promise<Answer>
  put(path: string, body?: unknown, options?: ClientOptions): Promise<Answer>
  patch(path: string, body?: unknown, options?: ClientOptions): Promise<Answer>
  /** The same, asking for a version of the API: `version('compute 2.37')`. */
  version(version: string): TestClient
}

export interface TestCloud {
  app: App
  db: Database
  /** The simulated hosts: its `failures` break them, `guestEnds` and `machines` look behind the API. */
  readonly sim: SimCloud
  /** Of its database: for a second process on it. */
  url: string
  /**
   * `admin` (admin of everything), `member`, `manager`, `reader` of one project, `other` (member of another project of the
   * same domain), `stranger` (no token at all).
   */
  as(who: Persona | 'stranger'): TestClient
  /** Runs all queued tasks to their end, without waiting for due times. */
  runTasks(options?: { crash?: (task: Task, step: string) => 'before' | 'after' | undefined }): Promise<void>
}

/** `config` overrides settings; there are 3 simulated hosts unless `simHosts` says otherwise. */
export async function testCloud(t: Pick<TestContext, 'after'>, config: Partial<Config> = {}): Promise<TestCloud> {
  const settings = readConfig(
    {},
    {
      logLevel: process.env['PILEUS_TEST_LOG'] ?? 'error',
      simHosts: 3,
      listen: '127.0.0.1:0',
      publicUrl: 'http://cloud.test',
      ...config,
    },
  )
  const log = makeLog('test', settings.logLevel)
  const { url, drop } = await testDatabase('prepared', async (templateUrl) => {
    const db = openDatabase(templateUrl, log, { connections: 2 })
    const app = makeApp(db, settings, log)
    await app.prepare()
    await db.transaction(seedPersonas)
    await app.close()
  })
  const db = openDatabase(url, log, { connections: 4 })
  const app = makeApp(db, settings, log)
  await app.start()
  await app.server.ready()
  t.after(async () => {
    await app.close()
    await drop()
  })
  const tokens = await personas(app)
  const as = (who: Persona | 'stranger') =>
    client(app, who === 'stranger' ? { token: '', projectId: '', userId: '' } : tokens[who], {})
  return {
    app,
    db,
    url,
    get sim() {
      return app.sim ?? bug('this cloud has no simulated hosts')
    },
    as,
    async runTasks(options = {}) {
      await drainTasks(app.world, options)
    },
  }
}

function client(
  app: App,
  who: { token: string; projectId: string; userId: string },
  always: Record<string, string>,
): TestClient {
  const call = async (method: Method, path: string, body?: unknown, options: ClientOptions = {}): Promise<Answer> => {
    const headers: Record<string, string> = {
      ...(who.token && { 'x-auth-token': who.token }),
      ...always,
      ...options.headers,
    }
    const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body))
    if (payload !== undefined && headers['content-type'] === undefined)
      headers['content-type'] = options.raw ? 'application/octet-stream' : 'application/json'
    const answer = await app.server.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url: path,
      headers,
      ...(payload !== undefined && { payload }),
    })
    const isJson = String(answer.headers['content-type'] ?? '').includes('json')
    return {
      status: answer.statusCode,
      json: isJson && answer.payload !== '' ? (JSON.parse(answer.payload) as unknown) : undefined,
      text: answer.payload,
      headers: answer.headers as Record<string, string>,
    }
  }
  return {
    ...who,
    call,
    get: (path, options) => call('GET', path, undefined, options),
    head: (path, options) => call('HEAD', path, undefined, options),
    delete: (path, options) => call('DELETE', path, undefined, options),
    post: (path, body, options) => call('POST', path, body, options),
    put: (path, body, options) => call('PUT', path, body, options),
    patch: (path, body, options) => call('PATCH', path, body, options),
    version: (version) => client(app, who, { ...always, 'openstack-api-version': version }),
  }
}
