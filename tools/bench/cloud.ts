import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

const launcher = resolve(import.meta.dirname, '../../pileus')
export const password = 'bench'

export interface BenchCloud {
  url: string
  /** Of the S3 API, where it was asked for. */
  s3Url: string | undefined
  run: string
  /** Seconds from the launch to the first token, and to `up`'s return. */
  tokenSeconds: number
  upSeconds: number
  token: string
  projectId: string
  call: <T>(method: string, path: string, body?: unknown) => Promise<T>
  /** A token by password: `user` and `scope` in Keystone's form, the password is ours. */
  signIn: (user: object, scope?: object) => Promise<string>
  /** Asks whether a token is good, as a service does. */
  checkToken: (token: string) => Promise<void>
  /** Down and up again on the same data; answers the seconds to the first token. */
  again: () => Promise<number>
  stop: () => Promise<void>
}

/** `./pileus up --detach` with a data directory that goes with it. */
export async function startCloud(
  args: string[],
  hasAgent: boolean,
  { hasS3 = false }: { hasS3?: boolean } = {},
): Promise<BenchCloud> {
  const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-'))
  chmodSync(folder, 0o755)
  const data = join(folder, 'var')
  const port = await freePort()
  const s3Listen = hasS3 ? `127.0.0.1:${await freePort()}` : undefined
  const env = {
    ...process.env,
    ...{
      PILEUS_DATA: data,
      PILEUS_LISTEN: `127.0.0.1:${port}`,
      PILEUS_S3_LISTEN: s3Listen ?? 'off',
      PILEUS_ADMIN_PASSWORD: password,
    },
    PILEUS_AGENT_NAMESPACE: `bench-${process.pid}`,
  }
  const pileus = async (...words: string[]) => {
    const child = spawn(launcher, words, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`./pileus ${words.join(' ')} ended with ${code}`)
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const send = async (method: string, path: string, body: unknown, token = '', more: Record<string, string> = {}) => {
    const headers = {
      ...{ 'X-Auth-Token': token, 'Content-Type': 'application/json', ...more },
      'OpenStack-API-Version': 'compute 2.96',
    }
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent, headers })
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, text: await text(incoming) }
  }
  const tokenFor = async (user: object, scope?: object) => {
    const identity = { methods: ['password'], password: { user: { ...user, password } } }
    const reply = await send('POST', '/identity/v3/auth/tokens', { auth: { identity, ...(scope && { scope }) } })
    if (reply.status !== 201) throw new Error(reply.text)
    return { token: String(reply.headers['x-subject-token']), projectId: JSON.parse(reply.text).token.project?.id }
  }
  const signIn = async () => {
    const domain = { name: 'Default' }
    const { token, projectId } = await tokenFor({ name: 'admin', domain }, { project: { name: 'admin', domain } })
    return { token, projectId: String(projectId) }
  }
  const launch = async () => {
    const began = performance.now()
    const seconds = () => (performance.now() - began) / 1000
    let ended = false
    const up = pileus('up', '--detach', ...args).finally(() => (ended = true))
    up.catch(() => {})
    for (;;) {
      const signedIn = await signIn().catch(() => undefined)
      const tokenSeconds = seconds()
      if (signedIn || ended) {
        await up
        if (!signedIn) throw new Error('the cloud is up, but does not let the admin in')
        return { ...signedIn, tokenSeconds, upSeconds: seconds() }
      }
      await delay(25)
    }
  }
  const stop = async () => {
    agent.destroy()
    await pileus('down', ...(hasAgent ? ['--guests'] : []))
    if (hasAgent) await pileus('agent', '--teardown')
    rmSync(folder, { recursive: true })
  }
  let current = await launch()
  return {
    ...current,
    url: `http://127.0.0.1:${port}`,
    s3Url: s3Listen && `http://${s3Listen}`,
    run: join(data, 'run'),
    async call(method, path, body) {
      const reply = await send(method, path, body, current.token)
      if (reply.status >= 400) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`)
      return reply.text === '' ? undefined : JSON.parse(reply.text)
    },
    signIn: async (user, scope) => (await tokenFor(user, scope)).token,
    async checkToken(token) {
      const reply = await send('GET', '/identity/v3/auth/tokens', undefined, current.token, {
        'X-Subject-Token': token,
      })
      if (reply.status !== 200) throw new Error(reply.text)
    },
    async again() {
      await pileus('down')
      current = await launch()
      return current.tokenSeconds
    },
    stop,
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}
