// A little world for real tests: two hosts (network namespaces, each with a data plane in its own process), joined by
// an underlay bridge, and guests (namespaces with a veth where a machine would have its tap).
import type { HostNetwork, NetworkStatus, PortSpec } from '@pileus/contract/agent.ts'
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run, type RunResult } from '../../run.ts'
import { tapName } from '../names.ts'
import { deleteNamespace, listNamespaces, namespacePath, runIn } from '../namespaces.ts'
import { nothing } from './documents.ts'
import type { HostRequest } from './host.ts'

/** Why real tests cannot run here; undefined when they can. */
export async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root, to make network namespaces'
  const probe = `pileus-test-${process.pid}`
  try {
    await run('ip', ['netns', 'add', probe])
    await run('ip', ['netns', 'del', probe])
    for (const program of ['nft', 'dnsmasq', 'conntrack']) await run(program, ['--version'])
    await run('haproxy', ['-v'])
    await run('busybox', ['true'])
  } catch (error) {
    return `needs network namespaces, nft, dnsmasq, haproxy, conntrack and busybox: ${String(error)}`
  }
  return undefined
}

export interface Host {
  /** Where its agent runs: the "machine" itself. */
  namespace: string
  plane: string
  apply(wish: HostNetwork): Promise<NetworkStatus>
  teardown(): Promise<void>
  /** Kills the agent at once and starts another. */
  restart(): Promise<void>
}

export interface Guest {
  namespace: string
  port: PortSpec
  run(cmd: string, ...args: string[]): Promise<RunResult>
  /** One ping is answered within a second. */
  pings(address: string): Promise<boolean>
  start(cmd: string, ...args: string[]): ChildProcessWithoutNullStreams
}

export interface Rig {
  hosts: [Host, Host]
  /** The guest of a port: its link, in place of the tap, and its addresses unless told not to. */
  guest(host: Host, port: PortSpec, options?: { static?: boolean; gateway?: string }): Promise<Guest>
  /** What the fake metadata service was asked. */
  asked: { url: string; from: string; network: string }[]
  close(): Promise<void>
}

export async function makeRig(): Promise<Rig> {
  const prefix = `pnet${process.pid}`
  const directory = await mkdtemp(join(tmpdir(), 'pileus-network-'))
  const namespaces: string[] = []
  const children = new Set<ChildProcess>()
  const groups = new Set<ChildProcess>()
  const addNamespace = async (name: string): Promise<string> => {
    await run('ip', ['netns', 'add', name])
    namespaces.push(name)
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    return name
  }
  const underlay = await addNamespace(`${prefix}-under`)
  await run('ip', ['-n', underlay, 'link', 'add', 'ul', 'up', 'type', 'bridge'])

  const asked: Rig['asked'] = []
  const socket = join(directory, 'metadata.sock')
  const server: Server = createServer((request, response) => {
    const header = (name: string): string => String(request.headers[name] ?? '')
    asked.push({ url: request.url ?? '', from: header('x-forwarded-for'), network: header('x-network-id') })
    response.end(`hello ${header('x-forwarded-for')}\n`)
  })
  server.listen(socket)
  await once(server, 'listening')

  const makeHost = async (number: 1 | 2): Promise<Host> => {
    const namespace = await addNamespace(`${prefix}-host${number}`)
    const tunnelAddress = `192.0.2.${number}`
    await batch(underlay, [
      `link add h${number} type veth peer name under0 netns ${namespace}`,
      `link set h${number} master ul up`,
    ])
    await batch(namespace, [`addr add ${tunnelAddress}/24 dev under0`, 'link set under0 up'])
    const plane = `${prefix}-plane${number}`
    const options = {
      dataDir: directory,
      namespace: plane,
      tunnelAddress,
      physical: { public: { bridge: 'ext', address: `172.24.4.${number}/24` } },
      qemuUid: 65534,
      metadataSocket: socket,
    }
    const script = join(import.meta.dirname, 'host.ts')
    const startAgent = (): ChildProcess => {
      const args = [`--net=${namespacePath(namespace)}`, process.execPath, script, JSON.stringify(options)]
      const child = spawn('nsenter', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      children.add(child)
      return child
    }
    let agent = startAgent()
    let lastId = 0
    const ask = (call: HostRequest['call'], wish: HostNetwork): Promise<unknown> => {
      const id = ++lastId
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const onMessage = (reply: { id: number; value: unknown }): void => {
        if (reply.id !== id) return
        agent.off('message', onMessage)
        agent.off('exit', onExit)
        resolve(reply.value)
      }
      const onExit = (): void => reject(new Error('The agent ended'))
      agent.on('message', onMessage)
      agent.once('exit', onExit)
      agent.send({ id, call, wish } satisfies HostRequest)
      return promise
    }
    return {
      namespace,
      plane,
      apply: async (wish) => (await ask('apply', wish)) as NetworkStatus,
      teardown: async () => void (await ask('teardown', nothing)),
      async restart() {
        agent.kill('SIGKILL')
        await once(agent, 'exit')
        agent = startAgent()
      },
    }
  }
  const hosts: [Host, Host] = [await makeHost(1), await makeHost(2)]
  await Promise.all(hosts.map((host) => host.apply(nothing)))

  return {
    hosts,
    asked,
    async guest(host, port, options = {}) {
      const namespace = await addNamespace(`${prefix}-guest-${port.id.slice(0, 8)}`)
      await writeGuestSettings(namespace)
      const peer = `peer name eth0 address ${port.mac} netns ${namespace}`
      await batch(host.plane, [`link add ${tapName(port.id)} type veth ${peer}`])
      const auto = (address: string): boolean => address.includes('ff:fe') // made from the MAC, by the guest itself
      const addresses = options.static === false ? [] : port.addresses.filter(({ address }) => !auto(address))
      const gateway = options.gateway === undefined ? [] : [`route add default via ${options.gateway}`]
      await batch(namespace, [
        'link set eth0 mtu 1400',
        'link set eth0 up',
        ...addresses.map(({ address }) =>
          address.includes(':') ? `addr add ${address}/64 dev eth0 nodad` : `addr add ${address}/24 dev eth0`,
        ),
        ...gateway,
      ])
      const start = (cmd: string, ...args: string[]): ChildProcessWithoutNullStreams => {
        // A process group of its own, so that what a shell has started ends with it.
        const child = spawn('nsenter', [`--net=${namespacePath(namespace)}`, cmd, ...args], { detached: true })
        groups.add(child)
        return child
      }
      return {
        namespace,
        port,
        start,
        run: (cmd, ...args) => runIn(namespace, cmd, args),
        pings: (address) =>
          runIn(namespace, 'busybox', ['ping', '-c', '1', '-W', '1', address]).then(
            () => true,
            () => false,
          ),
      }
    },
    async close() {
      try {
        await Promise.all(hosts.map((host) => host.teardown()))
      } finally {
        for (const child of children) child.kill('SIGKILL')
        for (const { pid, exitCode } of groups) if (pid !== undefined && exitCode === null) killGroup(pid)
        server.close()
      }
      for (const name of namespaces) await deleteNamespace(name)
      await rm(directory, { recursive: true, force: true })
      const left = [...(await listNamespaces())].filter((name) => name.startsWith(prefix))
      if (left.length > 0) throw new Error(`namespaces left over: ${left.join(', ')}`)
    },
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ended already
  }
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  await run('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

async function writeGuestSettings(namespace: string): Promise<void> {
  const settings = ['ipv6/conf/default/accept_dad 0', 'ipv6/conf/default/accept_ra 1', 'ipv4/ping_group_range 0']
  const script = settings.slice(0, 2).map((line) => {
    const [path, value] = line.split(' ')
    return `echo ${value} > /proc/sys/net/${path}`
  })
  await runIn(namespace, 'sh', ['-e'], script.join('\n'))
}

/** Waits for something that comes about by itself; false when it has not within the time. */
export async function eventually(check: () => Promise<boolean>, timeoutMs = 15_000): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (!(await check())) {
    if (Date.now() > deadline) return false
    await pause(50)
  }
  return true
}
