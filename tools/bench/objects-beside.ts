// Objects of a cloud beside OpenStack's own Swift, where Debian's packages are there. In a mount and a network namespace of
// one's own only; see openstack-swift.ts.
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { startCloud } from './cloud.ts'
import { missingSwift, startOpenStackSwift } from './openstack-swift.ts'
import type { Line } from './page.ts'
import { cpuMs } from './processes.ts'
import { each } from './servers.ts'
import { makeContainer, type Store, transfer } from './transfer.ts'

export interface Amounts {
  /** Small ones, of each kind. */
  operations: number
  /** In which the large one goes in and out. */
  rounds: number
  megabytes: number
}

const smallBytes = 4096
// of each of Swift's servers, and of ours
const workers = 2

interface Peer {
  store: Store
  run: string
}

interface Figures {
  smallPutMs: number
  smallGetMs: number
  put: Spent
  get: Spent
}

interface Spent {
  seconds: number
  cpuMs: number
}

const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!

async function cost(run: string, work: () => Promise<unknown>): Promise<Spent> {
  const [cpu, began] = [cpuMs(run), performance.now()]
  await work()
  return { seconds: (performance.now() - began) / 1000, cpuMs: cpuMs(run) - cpu }
}

/** CPU for each, when they are warm. */
async function small(peer: Peer, agent: Agent, method: 'PUT' | 'GET', operations: number): Promise<number> {
  const warm = Math.ceil(operations / 4)
  const ask = async (n: number) => {
    const body = method === 'PUT' ? randomFillSync(Buffer.alloc(smallBytes)) : undefined
    const outgoing = request(`${peer.store.url}/bench/small-${n}`, {
      method,
      agent,
      headers: { 'X-Auth-Token': peer.store.token, ...(body && { 'Content-Length': String(body.length) }) },
    })
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    const got = await buffer(incoming)
    const { statusCode = 0 } = incoming
    if (statusCode >= 300 || (method === 'GET' && got.length !== smallBytes))
      throw new Error(`${method} 4 KiB: ${statusCode}, ${got.length} bytes`)
  }
  await each(warm, 8, ask)
  const spent = await cost(peer.run, () => each(operations - warm, 8, (n) => ask(warm + n)))
  return spent.cpuMs / (operations - warm)
}

/** All peers take turns, round by round, so that whatever else the machine does meets them alike. */
async function measure(peers: Peer[], { operations, rounds, megabytes }: Amounts): Promise<Figures[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const found: { smallPutMs: number; smallGetMs: number; put: Spent[]; get: Spent[] }[] = []
  for (const peer of peers) {
    await makeContainer(peer.store, '/bench')
    const [smallPutMs, smallGetMs] = [
      await small(peer, agent, 'PUT', operations),
      await small(peer, agent, 'GET', operations),
    ]
    found.push({ smallPutMs, smallGetMs, put: [], get: [] })
  }
  agent.destroy()
  for (let round = 0; round < rounds; round++)
    for (const [n, { store, run }] of peers.entries()) {
      found[n]!.put.push(await cost(run, () => transfer(store, 'PUT', '/bench/large', megabytes)))
      found[n]!.get.push(await cost(run, () => transfer(store, 'GET', '/bench/large', megabytes)))
    }
  const middle = (all: Spent[]) => ({
    seconds: median(all.map(({ seconds }) => seconds)),
    cpuMs: median(all.map((each) => each.cpuMs)),
  })
  return found.map(({ put, get, ...rest }) => ({ ...rest, put: middle(put), get: middle(get) }))
}

function linesOf(ours: Figures, theirs: Figures | undefined, megabytes: number): Line[] {
  const line = (what: string, unit: string, figure: (of: Figures) => number): Line => {
    return { what, unit, ours: figure(ours), target: undefined, openstack: theirs && figure(theirs) }
  }
  return [
    line('object of 4 KiB: PUT', 'ms', ({ smallPutMs }) => smallPutMs),
    line('… GET', 'ms', ({ smallGetMs }) => smallGetMs),
    line(`object of ${megabytes} MiB: PUT`, 's', ({ put }) => put.seconds),
    line('… CPU of it', 'ms', ({ put }) => put.cpuMs),
    line('… GET', 's', ({ get }) => get.seconds),
    line('… CPU of it', 'ms', ({ get }) => get.cpuMs),
  ]
}

/** 4 KiB by eight clients, in CPU of all processes of a cloud; a large one, in medians of wall time and of CPU. */
export async function measureBesideSwift(amounts: Amounts): Promise<Line[]> {
  const missing = missingSwift()
  if (missing !== undefined) process.stdout.write(`Swift is not measured: there is no ${missing}.\n`)
  const cloud = await startCloud(['--sim', '1', '--processes', String(workers)], false)
  try {
    const url = `${cloud.url}/object-store/v1/AUTH_${cloud.projectId}`
    const ours: Peer = { store: { url, token: cloud.token }, run: cloud.run }
    const swift = missing === undefined ? await startOpenStackSwift(workers) : undefined
    try {
      const [first, second] = await measure(swift ? [ours, swift] : [ours], amounts)
      return linesOf(first!, second, amounts.megabytes)
    } finally {
      await swift?.stop()
    }
  } finally {
    await cloud.stop()
  }
}
