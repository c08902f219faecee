import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { type Api, signIn } from './api.ts'
import { scratch, type Undo } from './cleanup.ts'
import { openDoor } from './door.ts'
import { guestImage } from './needs.ts'
import { type Ended, must, run, type RunOptions } from './run.ts'

/** The program that users start. */
export const launcher = resolve(import.meta.dirname, '../../pileus')

export interface Cloud {
  data: string
  namespace: string | undefined
  url: string
  /** What `up` printed. */
  said: string
  /** The environment of a user: where the data lies, and how to sign in. */
  env: NodeJS.ProcessEnv
  /** `./pileus …`, which must succeed. */
  pileus: (...args: string[]) => Promise<string>
  /** The real client; must succeed. */
  openstack: (...args: string[]) => Promise<string>
  /** The real client, its JSON parsed; `-f json` is added. */
  ask: <T>(...args: string[]) => Promise<T>
  /** The real client, however it ends. */
  tryOpenstack: (args: string[], env?: NodeJS.ProcessEnv) => Promise<Ended>
  /** HTTP as the admin. */
  api: Api
  /** The process of that name (`agent`, `server-1`, `postgres`, `supervisor`); throws when there is none. */
  pid: (name: string) => number
}

interface Wish {
  namespace?: string
  /** HOST:PORT; without: a free port of the loopback. */
  listen?: string
  args?: string[]
  env?: NodeJS.ProcessEnv
}

/** `./pileus up --detach` with a data directory of its own; all of it is gone when the test has ended. */
export async function startCloud(
  undo: Undo,
  { namespace, listen, args = [], env: extra = {} }: Wish = {},
): Promise<Cloud> {
  const data = join(await scratch(undo), 'var')
  const address = listen ?? `127.0.0.1:${namespace === undefined ? await freePort() : 8700}`
  const env: NodeJS.ProcessEnv = {
    ...userEnvironment(),
    // another cloud of this machine may have the port behind ours
    ...(namespace === undefined && { PILEUS_S3_LISTEN: `127.0.0.1:${await freePort()}` }),
    ...extra,
    PILEUS_DATA: data,
    PILEUS_LISTEN: address,
    PILEUS_GUEST_IMAGE: guestImage,
    // Data planes of this machine are told apart by name.
    ...(namespace !== undefined && { PILEUS_AGENT_NAMESPACE: namespace.replace('e2e-', 'plane-') }),
    OS_CLIENT_CONFIG_FILE: join(data, 'clouds.yaml'),
    OS_CLOUD: 'pileus',
  }
  const options: RunOptions = { namespace, env }
  const ownAgent = !args.some((arg) => arg.startsWith('--sim') || arg === '--no-agent')
  undo(async () => {
    await run(launcher, ['down'], options)
    if (ownAgent) await must(launcher, ['agent', '--teardown'], options)
  })
  const said = await must(launcher, ['up', '--detach', ...args], options)
  const { protocol, origin } = new URL(`${env['PILEUS_TLS_CERTIFICATE'] ? 'https' : 'http'}://${address}`)
  const [host = '', port = ''] = address.split(':')
  const socketPath = namespace === undefined ? undefined : await openDoor(undo, namespace, host, Number(port))
  const openstack = (...words: string[]) => must('openstack', words, options)
  return {
    data,
    namespace,
    url: origin,
    said,
    env,
    pileus: (...words) => must(launcher, words, options),
    openstack,
    ask: async (...words) => JSON.parse(await openstack(...words, '-f', 'json')),
    tryOpenstack: (words, more) => run('openstack', words, { ...options, env: { ...env, ...more } }),
    api: await signIn({ protocol, host, port, socketPath, ca: extra['NODE_EXTRA_CA_CERTS'] }, passwordIn(data)),
    pid: (name) => Number(readFileSync(join(data, 'run', `${name}.pid`), 'utf8')),
  }
}

function passwordIn(data: string): string {
  const found = /^ +password: "(.+)"$/m.exec(readFileSync(join(data, 'clouds.yaml'), 'utf8'))
  if (found?.[1] === undefined) throw new Error('clouds.yaml holds no password')
  return found[1]
}

// The settings of whoever runs the tests are not those of the cloud that is tested.
function userEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OS_|PILEUS_|NODE_(OPTIONS|TEST|CHANNEL))/.test(name)),
  )
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}
