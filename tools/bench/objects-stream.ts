// Large objects: how fast they go in and out beside a bare Node stream to an fsynced file with md5 on the same disk, turn
// about in the same run, and what memory the servers take while many go at once.
//   node tools/bench/objects-stream.ts [--rounds 5] [--megabytes 256] [--parallel 50] [--to FILE]
import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BenchCloud, startCloud } from './cloud.ts'
import { cpuMs } from './processes.ts'
import { each } from './servers.ts'
import { makeContainer, mebibytes, type Store, transfer } from './transfer.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '256' },
    parallel: { type: 'string', default: '50' },
    to: { type: 'string' },
  },
})
const [rounds, megabytes, parallel] = [Number(values.rounds), Number(values.megabytes), Number(values.parallel)]
const rate = (ms: number) => megabytes / (ms / 1000)
const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!

/** What Node itself does: a stream through md5 into a file that is fsynced. Milliseconds. */
async function bare(folder: string): Promise<number> {
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
 * meanwhile, the rate of all together, and the CPU of the cloud for each.
 */
async function together(cloud: BenchCloud, store: Store, method: 'PUT' | 'GET', atOnce: number) {
  let [most, going] = [serversMb(cloud.run), true]
  const watching = (async () => {
    while (going) {
      most = Math.max(most, serversMb(cloud.run))
      await delay(100)
    }
  })()
  const { ms, cloudMs } = await measured(cloud, () =>
    each(parallel, atOnce, (n) => transfer(store, method, `/bench/many${n}`, megabytes)),
  )
  going = false
  await watching
  return { Mb: most, MbS: rate(ms) * parallel, CpuMs: cloudMs / parallel }
}

const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-bare-'))
const cloud = await startCloud(['--sim', '1'], false)
try {
  const store: Store = { url: `${cloud.url}/object-store/v1/AUTH_${cloud.projectId}`, token: cloud.token }
  await makeContainer(store, '/bench')
  const floor: number[] = []
  const [put, get]: [Spent[], Spent[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    floor.push(await bare(folder))
    put.push(await measured(cloud, () => transfer(store, 'PUT', '/bench/one', megabytes)))
    get.push(await measured(cloud, () => transfer(store, 'GET', '/bench/one', megabytes)))
  }
  const figures: Record<string, number> = { bareMbS: rate(median(floor)) }
  for (const [name, all] of Object.entries({ put, get })) {
    figures[`${name}MbS`] = rate(median(all.map(({ ms }) => ms)))
    figures[`${name}Ratio`] = median(all.map(({ ms }, n) => floor[n]! / ms))
    figures[`${name}CpuMs`] = median(all.map(({ cloudMs }) => cloudMs))
    figures[`${name}ClientCpuMs`] = median(all.map(({ clientMs }) => clientMs))
  }
  figures['idleMb'] = serversMb(cloud.run)
  for (const method of ['PUT', 'GET'] as const)
    for (const atOnce of parallel > 0 ? [5, parallel] : [])
      for (const [name, value] of Object.entries(await together(cloud, store, method, atOnce)))
        figures[`${method.toLowerCase()}${atOnce}AtOnce${name}`] = value
  const text = `${JSON.stringify(figures, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(2)) : value), 2)}\n`
  process.stdout.write(text)
  if (values.to !== undefined) writeFileSync(values.to, text)
} finally {
  await cloud.stop()
  rmSync(folder, { recursive: true })
}
