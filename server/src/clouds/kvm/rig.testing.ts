// The cloud of our own hosts for tests: one or two server processes on one database, listening on loopback.
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import type { Actor } from '#lib/actor.ts'
import { sql } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import { makeServer } from '#lib/http/serve.ts'
import type { World } from '#lib/world.ts'
import type { Cloud, CloudWorld } from '../cloud.ts'
import { atEnd, openWorld, recorder, type Recorder, testWorld } from '../testing.ts'
import { agentKey, join, type Script, scriptedAgent } from './agent.testing.ts'
import { kvmCloud } from './index.ts'

export interface TestProcess {
  world: CloudWorld
  cloud: Cloud
  url: string
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Before the end of the test; a second time does nothing. */
  stop(): Promise<void>
}
export interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- replies are looked into freely; the assertions are the types
  json: any
}

export const images = new Map<string, Buffer>()

function actor(role: string): Actor {
  return {
    userId: 'u',
    userName: 'u',
    userDomainId: 'default',
    projectId: 'p',
    projectName: 'p',
    projectDomainId: 'default',
    domainId: null,
    system: false,
    roles: [role],
    isAdmin: role === 'admin',
    trustId: null,
    applicationCredentialId: null,
  }
}

export async function startProcess(
  t: Pick<TestContext, 'after'>,
  world: CloudWorld,
  reports: Recorder,
): Promise<TestProcess> {
  const openImage = async (id: string) => {
    const bytes = images.get(id)
    return bytes && { data: Readable.from([bytes]), sizeBytes: bytes.length }
  }
  const cloud = kvmCloud(world, { ...reports, openImage })
  const server = makeServer({
    world: { ...world, directories: {} as World['directories'], drivers: () => cloud.drivers },
    services: cloud.service ? [cloud.service] : [],
    authenticate: async (token) =>
      token === 'admin' || token === 'member' ? actor(token) : unauthenticated('no such token'),
    knowsRegion: () => false,
  })
  await cloud.start(server)
  await server.listen({ host: '127.0.0.1', port: 0 })
  // a string only for a unix socket
  const { port } = server.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  let stopped: Promise<void> | undefined
  const stop = () =>
    (stopped ??= (async () => {
      await cloud.close()
      await server.close()
    })())
  atEnd(t, stop)
  return {
    world,
    cloud,
    url,
    stop,
    async request(method, path, body, headers = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          'x-auth-token': 'admin',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.includes('json')
      return { status: response.status, json: isJson ? (JSON.parse(text) as unknown) : text }
    },
  }
}

/** One process, the recorder that all processes of the test report to, and a way to get more of both. */
export async function kvmWorld(t: Pick<TestContext, 'after'>) {
  const { url: databaseUrl, ...world } = await testWorld(t)
  const reports = recorder()
  const process = await startProcess(t, world, reports)
  const script: Script = { held: new Set(), refused: new Map() }
  const { db } = world
  const seen: string[] = []
  let ring: (() => void) | undefined
  db.subscribe('kvm', (message) => {
    seen.push(message)
    ring?.()
  })
  return {
    process,
    world,
    reports,
    script,
    secondProcess: () => startProcess(t, openWorld(t, databaseUrl, world.config), reports),
    async token(body: object = {}): Promise<string> {
      const { json } = await process.request('POST', '/agent/v1/join-tokens', body)
      return String(json.token)
    },
    /** A host that has joined and is not yet connected. */
    async host(name: string, at: TestProcess = process) {
      const key = agentKey()
      const joined = await join(at.url, await this.token(), name, key)
      const agent = scriptedAgent({ url: at.url, name, key, joined, script })
      atEnd(t, () => agent.disconnect())
      return agent
    },
    /** Returns when no process has a connection of the host any more. */
    async untilAway(hostId: string) {
      for (;;) {
        const heard = new Promise<void>((resolve) => (ring = resolve))
        const [row] = await db.rows<{ session: string | null }>(sql`select session from kvm_host where id = ${hostId}`)
        if (row?.session === null) return
        await heard
      }
    },
  }
}
