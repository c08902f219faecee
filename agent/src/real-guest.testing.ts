// A real agent process with real guests, steered by the test's own server; for tests that need root, QEMU and an image.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, createWriteStream, readFileSync, watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type {
  AgentFrame,
  DesiredObject,
  HostNetwork,
  ImageSource,
  MachineSpec,
  MachineStatus,
} from '@pileus/contract/agent.ts'
import { exampleMachine } from '@pileus/contract/testing.ts'
import { type TestConnection, type TestServer, testServer } from './connection/server.testing.ts'

/** Why these tests cannot run here; false when they can. */
export function whyNoGuests(): string | false {
  if (process.getuid?.() !== 0) return 'needs root'
  const image = process.env.PILEUS_GUEST_IMAGE
  if (image === undefined) return 'PILEUS_GUEST_IMAGE names no guest image'
  try {
    accessSync(image)
    accessSync('/dev/net/tun')
    for (const program of ['qemu-system-x86_64', 'qemu-img', 'ip', 'nft', 'dnsmasq', 'haproxy', 'setpriv'])
      execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`])
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return false
}

export interface TestHost {
  dataDir: string
  server: TestServer
  image: ImageSource
  /** Serves a file as an image. */
  serve(imageId: string, path: string, format: ImageSource['format']): ImageSource
  /** Kills the agent as the kernel would, and starts it again. */
  killAndStart(between?: () => Promise<void>): Promise<void>
  /** Kills the agent as soon as it says that it begins this action, `afterMs` later, and starts it again. */
  killAt(action: string, afterMs?: number): Promise<void>
  /** Sends a newer wish for the machine. */
  wish(id: string, spec: MachineSpec | null): void
  wishNetwork(spec: HostNetwork): void
  /** The next status of the newest wish for which the test holds. */
  until(id: string, holds: (status: MachineStatus) => boolean): Promise<MachineStatus>
  /** The console's text once it holds `text` so many times. */
  console(id: string, text: string, times?: number): Promise<string>
  ask(method: string, params: unknown): Promise<{ value?: unknown; error?: string }>
  /** Process numbers of the machine's QEMU. */
  processes(id: string): Promise<number[]>
  log(): Promise<string>
}

export async function testHost(t: TestContext): Promise<TestHost> {
  const dataDir = await mkdtemp(join(tmpdir(), 'pileus-host-'))
  const server = await testServer()
  const namespace = `pt${randomBytes(2).toString('hex')}`
  const serve: TestHost['serve'] = (imageId, path, format) => {
    const bytes = readFileSync(path)
    server.images.set(imageId, bytes)
    const sha512 = createHash('sha512').update(bytes).digest('hex')
    return { imageId, format, sizeBytes: bytes.length, sha512 }
  }
  const image = serve('tiny', process.env.PILEUS_GUEST_IMAGE ?? '', 'qcow2')
  const objects = new Map<string, DesiredObject>()
  const statuses = new Map<string, { generation: number; status: MachineStatus }>()
  const results = new Map<number, (frame: { value?: unknown; error?: string }) => void>()
  let changed = () => {}
  let line: TestConnection | undefined
  let agent: ChildProcess | undefined
  let calls = 0
  let generation = 0

  const main = new URL('main.ts', import.meta.url).pathname
  const common = ['--data', dataDir, '--namespace', namespace, '--tunnel-address', '127.0.0.1']
  let said: (text: string) => void = () => {}
  let broken: Error | undefined
  const start = async () => {
    const log = createWriteStream(join(dataDir, 'agent.log'), { flags: 'a' })
    const args = [
      main,
      ...common,
      '--server',
      server.url,
      '--join',
      server.token,
      '--accelerator',
      'tcg',
      '--log-level',
      'debug',
    ]
    agent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    agent.stdout?.pipe(log)
    agent.stdout?.on('data', (chunk: Buffer) => said(chunk.toString()))
    agent.stderr?.pipe(log)
    const greeted = await Promise.race([
      server.connection(),
      once(agent, 'exit').then(async () => {
        throw new Error(`the agent ended: ${await readFile(join(dataDir, 'agent.log'), 'utf8')}`)
      }),
    ])
    agent.once('exit', (code) => {
      if (code === null) return // killed by the test
      broken = new Error(`the agent ended by itself (${code}); see its log`)
      changed()
    })
    line = greeted
    void listen(greeted)
    send(true, [...objects.values()])
  }
  const listen = async (from: TestConnection) => {
    for (;;) {
      const frame: AgentFrame = await from.next()
      if (frame.type === 'result') results.get(frame.id)?.(frame)
      if (frame.type !== 'report') continue
      for (const object of frame.objects) if (object.kind === 'machine') statuses.set(object.id, object)
      changed()
    }
  }
  const send = (complete: boolean, wishes: DesiredObject[]) =>
    line?.send({ type: 'desired', complete, objects: wishes })
  const put = (object: DesiredObject) => {
    objects.set(object.id, object)
    send(false, [object])
  }
  const kill = async () => {
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return
    const ended = once(agent, 'exit')
    agent.kill('SIGKILL')
    await ended
  }
  const ask: TestHost['ask'] = (method, params) =>
    new Promise((resolve) => {
      const id = ++calls
      results.set(id, resolve)
      line?.send({ type: 'call', id, method, params })
    })

  t.after(async () => {
    await kill()
    const teardown = spawn(process.execPath, [main, ...common, '--teardown'], { stdio: 'ignore' })
    await once(teardown, 'exit')
    await server.close()
    await rm(dataDir, { recursive: true })
  })
  await start()
  return {
    dataDir,
    server,
    image,
    serve,
    ask,
    async killAndStart(between) {
      await kill()
      await between?.()
      statuses.clear()
      await start()
    },
    async killAt(action, afterMs = 0) {
      await new Promise<void>((resolve) => {
        said = (text) => {
          if (text.includes(`"action":"${action}"`)) setTimeout(resolve, afterMs)
        }
      })
      said = () => {}
      await kill()
      statuses.clear()
      await start()
    },
    wish: (id, spec) => put({ kind: 'machine', id, generation: ++generation, spec }),
    wishNetwork: (spec) => put({ kind: 'network', id: 'host', generation: ++generation, spec }),
    async until(id, holds) {
      for (;;) {
        const news = new Promise<void>((resolve) => (changed = resolve))
        if (broken !== undefined) throw broken
        const found = statuses.get(id)
        if (found !== undefined && found.generation === objects.get(id)?.generation) {
          if (holds(found.status)) return found.status
          if (found.status.error !== null) throw new Error(found.status.error)
        }
        await news
      }
    },
    async console(id, text, times = 1) {
      const folder = join(dataDir, 'machines', id, 'run')
      await mkdir(folder, { recursive: true })
      let written = () => {}
      const watcher = watch(folder, () => written())
      try {
        for (;;) {
          const news = new Promise<void>((resolve) => (written = resolve))
          const { value } = await ask('machine.console', { machineId: id, lines: null })
          const output = typeof value === 'object' && value !== null && 'output' in value ? String(value.output) : ''
          if (output.split(text).length > times) return output
          await news
        }
      } finally {
        watcher.close()
      }
    },
    async processes(id) {
      const found: number[] = []
      for (const pid of (await readdir('/proc')).map(Number).filter(Number.isInteger)) {
        const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
        if (!words.includes(`guest=${id},`)) continue
        if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')).startsWith(dataDir)) found.push(pid)
      }
      return found
    },
    log: () => readFile(join(dataDir, 'agent.log'), 'utf8'),
  }
}

/** A machine from the tiny image on one port. */
export function tinySpec(id: string, image: ImageSource, changes: Partial<MachineSpec> = {}): MachineSpec {
  const userData = Buffer.from('#!/bin/sh\necho "user data ran on $(hostname)"\n').toString('base64')
  return exampleMachine({
    id,
    disks: [{ id: 'root', role: 'root', sizeMb: 200, image, serial: 0 }],
    metadata: { ...exampleMachine().metadata, userData },
    ...changes,
  })
}
