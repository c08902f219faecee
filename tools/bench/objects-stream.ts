// Large objects: how fast they go in and out beside a bare Node stream to an fsynced file with md5 on the same disk, turn
// about in the same run, and what memory the servers take while many go at once.
//   node tools/bench/objects-stream.ts [--rounds 5] [--megabytes 256] [--parallel 50] [--to FILE]
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BenchCloud, startCloud } from './cloud.ts'
import { cpuMs } from './processes.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '256' },
    parallel: { type: 'string', default: '50' },
    to: { type: 'string' },
  },
})
const [rounds, megabytes, parallel] = [Number(values.rounds), Number(values.megabytes), Number(values.parallel)]
const chunk = randomFillSync(Buffer.alloc(1 << 20))

function* body(): Iterable<Buffer> {
  for (let n = 0; n < megabytes; n++) yield chunk
}
const rate = (ms: number) => megabytes / (ms / 1000)
const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!

/** What Node itself does: a stream through md5 into a file that is fsynced. Milliseconds. */
async function bare(folder: string): Promise<number> {
  const began = performance.now()
  const md5 = createHash('md5')
  await pipeline(
    Readable.from(body(), { objectMode: false }),
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

async function exchange(cloud: BenchCloud, method: 'PUT' | 'GET' | 'DELETE', path: string, agent: false | undefined) {
  const outgoing = request(`${cloud.url}/object-store/v1/AUTH_${cloud.projectId}${path}`, {
    method,
    ...(agent === false && { agent }),
    headers: {
      'X-Auth-Token': cloud.token,
      ...(method === 'PUT' && path.includes('/', 1) && { 'Content-Length': String(megabytes << 20) }),
    },
  })
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
  if (method === 'PUT' && path.includes('/', 1)) await pipeline(Readable.from(body(), { objectMode: false }), outgoing)
  else outgoing.end()
  const [incoming] = await answered
  let bytes = 0
  for await (const piece of incoming as AsyncIterable<Buffer>) bytes += piece.length
  const { statusCode = 0 } = incoming
  if (statusCode >= 300 || (method === 'GET' && bytes !== megabytes << 20))
    throw new Error(`${method} ${path}: ${statusCode}, ${bytes} bytes`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
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

/** The most memory while so many go at once. */
async function mostMb(cloud: BenchCloud, method: 'PUT' | 'GET', atOnce: number): Promise<number> {
  let [most, going] = [serversMb(cloud.run), true]
  const watching = (async () => {
    while (going) {
      most = Math.max(most, serversMb(cloud.run))
      await delay(100)
    }
  })()
  await Promise.all(Array.from({ length: atOnce }, (_, n) => exchange(cloud, method, `/bench/many${n}`, false)))
  going = false
  await watching
  return most
}

const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-bare-'))
const cloud = await startCloud(['--sim', '1'], false)
try {
  await exchange(cloud, 'PUT', '/bench', undefined)
  const [floor, put, get, putCpu, getCpu]: number[][] = [[], [], [], [], []]
  for (let round = 0; round < rounds; round++) {
    floor!.push(await bare(folder))
    const before = cpuMs(cloud.run)
    put!.push(await timed(() => exchange(cloud, 'PUT', '/bench/one', undefined)))
    const between = cpuMs(cloud.run)
    get!.push(await timed(() => exchange(cloud, 'GET', '/bench/one', undefined)))
    putCpu!.push(between - before)
    getCpu!.push(cpuMs(cloud.run) - between)
  }
  const figures: Record<string, number> = {
    bareMbS: rate(median(floor!)),
    putMbS: rate(median(put!)),
    getMbS: rate(median(get!)),
    putRatio: median(put!.map((ms, n) => floor![n]! / ms)),
    getRatio: median(get!.map((ms, n) => floor![n]! / ms)),
    putCpuMs: median(putCpu!),
    getCpuMs: median(getCpu!),
    idleMb: serversMb(cloud.run),
  }
  for (const method of ['PUT', 'GET'] as const)
    for (const atOnce of parallel > 0 ? [5, parallel] : [])
      figures[`${method.toLowerCase()}Mb${atOnce}AtOnce`] = await mostMb(cloud, method, atOnce)
  const text = `${JSON.stringify(figures, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(2)) : value), 2)}\n`
  process.stdout.write(text)
  if (values.to !== undefined) writeFileSync(values.to, text)
} finally {
  await cloud.stop()
  rmSync(folder, { recursive: true })
}
