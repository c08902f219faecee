// Objects, side by side with OpenStack's own Swift (Debian's packages) on the same disk in the same run:
//   node tools/object-bench.ts [--operations 4000] [--rounds 5] [--megabytes 256]
// 4 KiB by eight clients: CPU of all processes of a cloud for each; large ones: medians of CPU and of wall time. Runs as root
// in a mount and a network namespace of its own; without the packages (swift-proxy, swift-account, swift-container,
// swift-object, memcached) that column stays empty.
import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { startCloud } from './bench/cloud.ts'
import { missingSwift, startOpenStackSwift } from './bench/openstack-swift.ts'
import { type Line, table } from './bench/page.ts'
import { cpuMs } from './bench/processes.ts'
import { each } from './bench/servers.ts'
import { makeContainer, type Store, transfer } from './bench/transfer.ts'

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '256' },
  },
})
const [operations, rounds, megabytes] = [Number(values.operations), Number(values.rounds), Number(values.megabytes)]
const smallBytes = 4096
// of each of Swift's servers, and of ours
const workers = 2

if (process.env['PILEUS_BENCH_NAMESPACE'] === undefined) {
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', ['--net', '--mount', '--propagation', 'private', ...inside], {
    stdio: 'inherit',
    env: { ...process.env, PILEUS_BENCH_NAMESPACE: '1' },
  })
  process.exit(status ?? 1)
}

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
async function small(peer: Peer, agent: Agent, method: 'PUT' | 'GET'): Promise<number> {
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
async function measure(peers: Peer[]): Promise<Figures[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const found: { smallPutMs: number; smallGetMs: number; put: Spent[]; get: Spent[] }[] = []
  for (const peer of peers) {
    await makeContainer(peer.store, '/bench')
    const [smallPutMs, smallGetMs] = [await small(peer, agent, 'PUT'), await small(peer, agent, 'GET')]
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

function linesOf(ours: Figures, theirs: Figures | undefined): Line[] {
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

const missing = missingSwift()
if (missing !== undefined) process.stdout.write(`Swift is not measured: there is no ${missing}.\n`)
const cloud = await startCloud(['--sim', '1', '--processes', String(workers)], false)
const swift = missing === undefined ? await startOpenStackSwift(workers) : undefined
try {
  const ours = {
    store: { url: `${cloud.url}/object-store/v1/AUTH_${cloud.projectId}`, token: cloud.token },
    run: cloud.run,
  }
  const [first, second] = await measure(swift ? [ours, swift] : [ours])
  process.stdout.write(`${table(linesOf(first!, second))}\n`)
} finally {
  await swift?.stop()
  await cloud.stop()
}
