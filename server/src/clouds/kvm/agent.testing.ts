// An agent for tests that speaks the real protocol, with machines that are only told.
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import {
  type AgentFrame,
  type DesiredObject,
  helloText,
  type HostNetwork,
  JoinReply,
  type JoinRequest,
  joinedText,
  joinText,
  type MachineSpec,
  type MachineStatus,
  protocolVersion,
  signedText,
  welcomeText,
} from '@pileus/contract/agent.ts'
import Value from 'typebox/value'
import { WebSocket } from 'ws'
import { hmac, isSignedBy, publicKeyOf } from './keys.ts'

/** What is done to the machines of all agents of a test. */
export interface Script {
  held: Set<string>
  refused: Map<string, string>
}

interface Machine {
  power: MachineStatus['power']
  restartSerial: number
  incarnation: number
  /** The generation in which the guest ended by itself. */
  endedIn: number
}

export interface ScriptedAgent {
  readonly name: string
  readonly hostId: string
  readonly key: KeyObject
  readonly machines: Map<string, Machine>
  readonly wishes: Map<string, { generation: number; spec: MachineSpec | null }>
  readonly network: () => { generation: number; spec: HostNetwork } | undefined
  /** How many network documents came that were new. */
  readonly documents: () => number
  /** How many complete lists of wishes came. */
  readonly completes: () => number
  connect(url?: string): Promise<void>
  disconnect(): Promise<void>
  /** Ends when the connection does. */
  readonly closed: () => Promise<unknown>
  look(machineId: string): void
  guestEnds(machineId: string, power: 'shutdown' | 'crashed'): void
  send(frame: AgentFrame): void
}

export function agentKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

export function joinRequest(token: string, name: string, key: KeyObject): JoinRequest {
  const [tokenId = '', secret = ''] = token.split('.')
  const publicKey = publicKeyOf(key)
  const proof = createHmac('sha256', secret)
    .update(joinText(tokenId, name, publicKey))
    .digest('base64url')
  return { tokenId, name, publicKey, proof }
}

export async function join(url: string, token: string, name: string, key: KeyObject): Promise<JoinReply> {
  const request = joinRequest(token, name, key)
  const response = await fetch(`${url}/agent/v1/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  const reply: unknown = await response.json()
  if (!Value.Check(JoinReply, reply)) throw new Error(`${response.status} ${JSON.stringify(reply)}`)
  const { hostId, serverKey, proof } = reply
  if (proof !== hmac(token.split('.')[1] ?? '', joinedText(hostId, serverKey, request.publicKey)))
    throw new Error('the server does not know the secret')
  return reply
}

export function imageAuthorization(agent: { hostId: string; key: KeyObject }, path: string, atMs = Date.now()): string {
  const seconds = Math.floor(atMs / 1000)
  const signature = sign(null, Buffer.from(signedText('GET', path, agent.hostId, seconds)), agent.key)
  return `Pileus-Agent ${agent.hostId}.${seconds}.${signature.toString('base64url')}`
}

export interface AgentOptions {
  url: string
  name: string
  key: KeyObject
  joined: JoinReply
  script: Script
}

export function scriptedAgent({ url, name, key, joined, script }: AgentOptions): ScriptedAgent {
  const { hostId, serverKey } = joined
  const machines = new Map<string, Machine>()
  const wishes = new Map<string, { generation: number; spec: MachineSpec | null }>()
  const statuses = new Map<string, { generation: number; status: MachineStatus }>()
  let network: { generation: number; spec: HostNetwork } | undefined
  let socket: WebSocket | undefined
  let completes = 0
  let documents = 0

  const send = (frame: AgentFrame) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
  }
  const say = (id: string, generation: number, changes: Partial<MachineStatus>) => {
    const { power, restartSerial } = machines.get(id) ?? { power: 'absent', restartSerial: 0 }
    const status: MachineStatus = { power, ready: false, restartSerial, doing: '', error: null, ...changes }
    statuses.set(id, { generation, status })
    send({ type: 'report', complete: false, objects: [{ kind: 'machine', id, generation, status }] })
  }
  const sayNetwork = () => {
    if (!network) return
    const ports = network.spec.ports.map(({ id }) => id)
    const status = { ready: true, ports, routers: [], error: null }
    send({
      type: 'report',
      complete: false,
      objects: [{ kind: 'network', id: 'host', generation: network.generation, status }],
    })
  }
  const look = (id: string) => {
    const wish = wishes.get(id)
    if (!wish) return
    const { generation, spec } = wish
    const refused = script.refused.get(id)
    if (spec === null) {
      machines.delete(id)
      return say(id, generation, { power: 'absent', ready: true })
    }
    if (refused !== undefined) return say(id, generation, { error: refused })
    if (script.held.has(id)) return say(id, generation, { doing: 'held' })
    const wired = new Set(network?.spec.ports.map((port) => port.id))
    if (spec.nics.some(({ portId }) => !wired.has(portId)))
      return say(id, generation, { doing: 'waiting for the network' })
    const machine = machines.get(id) ?? {
      power: 'shutdown',
      restartSerial: spec.restart.serial,
      incarnation: 0,
      endedIn: 0,
    }
    machines.set(id, machine)
    if (machine.endedIn === generation && spec.power !== 'shutdown')
      return say(id, generation, { doing: 'the guest has ended by itself' })
    const starts = machine.power === 'shutdown' || machine.power === 'crashed'
    if ((starts && spec.power !== 'shutdown') || spec.restart.serial > machine.restartSerial) machine.incarnation++
    machine.power = spec.power
    machine.restartSerial = spec.restart.serial
    say(id, generation, { ready: true })
  }
  const obey = (complete: boolean, objects: readonly DesiredObject[]) => {
    if (complete) wishes.clear()
    for (const object of objects) {
      if (object.kind === 'network') {
        if ((network?.generation ?? 0) > object.generation) throw new Error('an old network document')
        if (network?.generation !== object.generation) documents++
        network = object
      } else {
        if ((statuses.get(object.id)?.generation ?? 0) > object.generation) throw new Error('an old wish')
        wishes.set(object.id, object)
      }
    }
    sayNetwork()
    for (const id of complete || objects.some(({ kind }) => kind === 'network')
      ? wishes.keys()
      : objects.map((object) => object.id))
      look(id)
    if (!complete) return
    completes++
    const all = [...statuses].flatMap(([id, said]) =>
      machines.has(id) || wishes.has(id) ? [{ kind: 'machine' as const, id, ...said }] : [],
    )
    send({ type: 'report', complete: true, objects: all })
  }

  return {
    name,
    hostId,
    key,
    machines,
    wishes,
    network: () => network,
    completes: () => completes,
    documents: () => documents,
    closed: async () => (socket && socket.readyState !== WebSocket.CLOSED ? once(socket, 'close') : undefined),
    async connect(to = url) {
      const made = new WebSocket(`${to.replace('http', 'ws')}/agent/v1/connect`)
      const nonce = randomBytes(16).toString('base64url')
      let serverNonce = ''
      await new Promise<void>((resolve, reject) => {
        made.on('error', reject)
        made.on('close', (code, reason) => reject(new Error(`closed: ${code} ${reason.toString()}`)))
        made.on('message', (data: Buffer) => {
          const frame = JSON.parse(data.toString()) as Record<string, never> & { type: string }
          if (frame.type === 'challenge') {
            serverNonce = frame['nonce'] ?? ''
            const signature = sign(null, Buffer.from(helloText(hostId, serverNonce, nonce)), key).toString('base64url')
            made.send(JSON.stringify({ type: 'hello', protocol: protocolVersion, hostId, nonce, signature }))
          } else if (frame.type === 'welcome') {
            if (!isSignedBy(serverKey, welcomeText(hostId, nonce, serverNonce), frame['signature'] ?? ''))
              return reject(new Error('not the server that this host joined'))
            socket = made
            send({ type: 'facts', facts: agentFacts(name) })
            resolve()
          } else if (frame.type === 'desired') obey(frame['complete'] ?? false, frame['objects'] ?? [])
          else if (frame.type === 'call') send(answer(frame['id'] ?? 0, frame['method'] ?? '', frame['params'] ?? {}))
        })
      })
    },
    async disconnect() {
      const had = socket
      socket = undefined
      if (!had || had.readyState === WebSocket.CLOSED) return
      const closed = once(had, 'close')
      had.close()
      await closed
    },
    look,
    guestEnds(id, power) {
      const machine = machines.get(id)
      const wish = wishes.get(id)
      if (!machine || !wish) throw new Error(`no machine ${id}`)
      machine.power = power
      machine.endedIn = wish.generation
      look(id)
    },
    send,
  }

  function answer(id: number, method: string, params: { machineId?: string; lines?: number | null }): AgentFrame {
    if (!machines.has(params.machineId ?? '')) return { type: 'result', id, error: 'There is no such machine here.' }
    if (method === 'machine.console') {
      const text = Array.from({ length: 20 }, (_, i) => `line ${i} of ${params.machineId}`)
      const lines = params.lines ?? text.length
      return { type: 'result', id, value: { output: text.slice(-lines).join('\n') } }
    }
    const value = {
      uptimeSeconds: 1,
      cpuTimesNs: [1, 2],
      memoryMaximumMb: 128,
      memoryUsedMb: 64,
      disks: [{ readBytes: 1, readRequests: 1, writeBytes: 1, writeRequests: 1, errors: 0 }],
      nics: [],
    }
    return { type: 'result', id, value }
  }
}

export function agentFacts(name: string) {
  return {
    name,
    vcpus: 4,
    memoryMb: 4096,
    diskGb: 100,
    architecture: 'x86_64',
    cpuModel: 'scripted',
    hypervisor: 'tcg' as const,
    hypervisorVersion: 7_002_022,
    tunnelAddress: '127.0.0.1',
    physicalNetworks: ['public'],
    traits: [],
    agentVersion: 'scripted',
  }
}
