// Large objects: how fast they go in and out beside a bare Node stream to an fsynced file with md5 on the same disk, turn
// about in the same run, and what memory the servers take while many go at once.
//   node tools/bench/objects-stream.ts [--rounds 5] [--megabytes 256] [--parallel 50] [--to FILE]
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BenchCloud, startCloud } from './cloud.ts'
import { cpuMs } from './processes.ts'
import { each } from './servers.ts'

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

const sink = Buffer.allocUnsafeSlow(1 << 20)

/**
 * One request on a connection of its own, by a client that costs as little as one can: it shares the machine with what it
 * measures. It sends the same mebibyte again and again, and reads into the same memory without looking at it.
 */
async function exchange(cloud: BenchCloud, method: 'PUT' | 'GET', path: string): Promise<void> {
  const { hostname, port } = new URL(cloud.url)
  const isBody = method === 'PUT' && path.includes('/', 1)
  let [head, bytes, isHead] = ['', 0, true]
  const read = (count: number, buffer: Uint8Array) => {
    if (!isHead) bytes += count
    else {
      head += Buffer.from(buffer.subarray(0, count)).toString('latin1')
      const end = head.indexOf('\r\n\r\n') + 4
      if (end < 4) return true
      isHead = false
      bytes = head.length - end
      head = head.slice(0, end)
    }
    return true
  }
  const socket = connect({ host: hostname, port: Number(port), onread: { buffer: sink, callback: read } })
  const closed = once(socket, 'close')
  const write = (data: Buffer | string) =>
    new Promise<void>((resolve, reject) => socket.write(data, (error) => (error ? reject(error) : resolve())))
  const lines = [
    `${method} /object-store/v1/AUTH_${cloud.projectId}${path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `X-Auth-Token: ${cloud.token}`,
    ...(method === 'PUT' ? [`Content-Length: ${isBody ? megabytes << 20 : 0}`] : []),
    'Connection: close',
  ]
  await write(`${lines.join('\r\n')}\r\n\r\n`)
  if (isBody) for (const piece of body()) await write(piece)
  await closed
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1])
  if (!(status < 300) || (method === 'GET' && bytes !== megabytes << 20))
    throw new Error(`${method} ${path}: ${head.split('\r\n')[0]}, ${bytes} bytes`)
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
async function together(cloud: BenchCloud, method: 'PUT' | 'GET', atOnce: number) {
  let [most, going] = [serversMb(cloud.run), true]
  const watching = (async () => {
    while (going) {
      most = Math.max(most, serversMb(cloud.run))
      await delay(100)
    }
  })()
  const { ms, cloudMs } = await measured(cloud, () =>
    each(parallel, atOnce, (n) => exchange(cloud, method, `/bench/many${n}`)),
  )
  going = false
  await watching
  return { Mb: most, MbS: rate(ms) * parallel, CpuMs: cloudMs / parallel }
}

const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-bare-'))
const cloud = await startCloud(['--sim', '1'], false)
try {
  await exchange(cloud, 'PUT', '/bench')
  const floor: number[] = []
  const [put, get]: [Spent[], Spent[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    floor.push(await bare(folder))
    put.push(await measured(cloud, () => exchange(cloud, 'PUT', '/bench/one')))
    get.push(await measured(cloud, () => exchange(cloud, 'GET', '/bench/one')))
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
      for (const [name, value] of Object.entries(await together(cloud, method, atOnce)))
        figures[`${method.toLowerCase()}${atOnce}AtOnce${name}`] = value
  const text = `${JSON.stringify(figures, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(2)) : value), 2)}\n`
  process.stdout.write(text)
  if (values.to !== undefined) writeFileSync(values.to, text)
} finally {
  await cloud.stop()
  rmSync(folder, { recursive: true })
}
