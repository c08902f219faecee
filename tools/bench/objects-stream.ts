// Large objects: how fast they go in and out beside a bare Node stream to an fsynced file with md5 on the same disk, turn
// about in the same run, and what memory the servers take while many go at once.
//   node tools/bench/objects-stream.ts [--rounds 5] [--megabytes 256] [--parallel 50]
import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BenchCloud, startCloud } from './cloud.ts'
import { figureOf, type Note } from './page.ts'
import { cpuMs } from './processes.ts'
import { each } from './servers.ts'
import { makeContainer, mebibytes, type Store, transfer } from './transfer.ts'

export interface Amounts {
  /** Turns of the bare stream, a PUT and a GET. */
  rounds: number
  megabytes: number
  /** How many are moved to see what memory that takes; 0: that is left out. */
  parallel: number
}

const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!

/** What Node itself does: a stream through md5 into a file that is fsynced. Milliseconds. */
async function bare(folder: string, megabytes: number): Promise<number> {
  const began = performance.now()
  const md5 = createHash('md5')
  await pipeline(
    Readable.from(mebibytes(megabytes), { objectMode: false }),
    async function* hashed(source: AsyncIterable<Buffer>) {
      for await (const piece of source) {
        md5.update(piece)
        yield piece
      }
    },
    // `flush`: fsync before it is closed
    createWriteStream(join(folder, 'bare'), { flush: true }),
  )
  md5.digest()
  return performance.now() - began
}

interface Spent {
  ms: number
  /** CPU of the cloud, and of this client. */
  cloudMs: number
  clientMs: number
}

async function measured(cloud: BenchCloud, work: () => Promise<unknown>): Promise<Spent> {
  const [cloudBefore, clientBefore, began] = [cpuMs(cloud.run), process.cpuUsage(), performance.now()]
  await work()
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(clientBefore)
  return { ms, cloudMs: cpuMs(cloud.run) - cloudBefore, clientMs: (user + system) / 1000 }
}

/** Megabytes that the servers of the cloud hold resident. */
function serversMb(run: string): number {
  const pids = readdirSync(run).filter((name) => name.startsWith('server-'))
  const kib = pids.map((name) => {
    const pid = readFileSync(join(run, name), 'utf8').trim()
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  })
  return (kib.reduce((sum, each) => sum + each, 0) * 1024) / 1e6
}

/**
 * `parallel` of them, so many at once (what is moved is the same, for memory grows with work as well): the most memory
 * meanwhile.
 */
async function together(cloud: BenchCloud, method: 'PUT' | 'GET', atOnce: number, { parallel, megabytes }: Amounts) {
  let [most, going] = [serversMb(cloud.run), true]
  const watching = (async () => {
    while (going) {
      most = Math.max(most, serversMb(cloud.run))
      await delay(100)
    }
  })()
  await each(parallel, atOnce, (n) => transfer(storeOf(cloud), method, `/bench/many${n}`, megabytes))
  going = false
  await watching
  return most
}

const storeOf = (cloud: BenchCloud): Store => ({
  url: `${cloud.url}/object-store/v1/AUTH_${cloud.projectId}`,
  token: cloud.token,
})

export async function measureStreams(note: Note, amounts: Amounts): Promise<void> {
  const { rounds, megabytes, parallel } = amounts
  const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-bare-'))
  const cloud = await startCloud(['--sim', '1'], false)
  const line = (what: string, unit: string, ours: number, target?: number, isLeast = false) =>
    note({ what, unit, ours, target, isLeast, openstack: undefined })
  try {
    const store = storeOf(cloud)
    await makeContainer(store, '/bench')
    const floor: number[] = []
    const [put, get]: [Spent[], Spent[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      floor.push(await bare(folder, megabytes))
      put.push(await measured(cloud, () => transfer(store, 'PUT', '/bench/one', megabytes)))
      get.push(await measured(cloud, () => transfer(store, 'GET', '/bench/one', megabytes)))
    }
    const rate = (ms: number) => megabytes / (ms / 1000)
    line(`a bare stream of ${megabytes} MiB, fsynced`, 'MiB/s', rate(median(floor)))
    for (const [name, all] of Object.entries({ PUT: put, GET: get })) {
      line(`${name} ${megabytes} MiB`, 'MiB/s', rate(median(all.map(({ ms }) => ms))))
      line('… of the bare stream of the same turn', '×', median(all.map(({ ms }, n) => floor[n]! / ms)), 0.7, true)
      line('… CPU of the cloud', 'ms', median(all.map(({ cloudMs }) => cloudMs)))
      line('… CPU of the client', 'ms', median(all.map(({ clientMs }) => clientMs)))
    }
    if (parallel === 0) return
    line('memory of the servers before', 'MB', serversMb(cloud.run))
    for (const method of ['PUT', 'GET'] as const)
      for (const atOnce of [5, parallel])
        line(
          `… during ${parallel} × ${method} ${megabytes} MiB, ${atOnce} at once`,
          'MB',
          await together(cloud, method, atOnce, amounts),
        )
  } finally {
    await cloud.stop()
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      megabytes: { type: 'string', default: '256' },
      parallel: { type: 'string', default: '50' },
    },
  })
  const [rounds, megabytes, parallel] = [Number(values.rounds), Number(values.megabytes), Number(values.parallel)]
  await measureStreams(({ what, unit, ours }) => process.stdout.write(`${what}: ${figureOf(ours, unit)}\n`), {
    rounds,
    megabytes,
    parallel,
  })
}
