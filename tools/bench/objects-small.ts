// What small objects cost: 4 KiB in and out through Swift and S3, and lists of a thousand names of a large container.
//   node tools/bench/objects-small.ts [--operations 12000] [--at-once 16] [--objects 1000000] [--only operations|lists]
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { type BenchCloud, startCloud } from './cloud.ts'
import { folder, layout, loadObjects } from './objects-load.ts'
import { figureOf, type Line } from './page.ts'
import { cpuMs } from './processes.ts'
import { type Keys, signer } from './s3.ts'
import { each } from './servers.ts'

export interface Amounts {
  /** Of each kind that is measured. */
  operations: number
  atOnce: number
  /** In the container that is listed. */
  objects: number
}
export const usualAmounts: Amounts = { operations: 12_000, atOnce: 16, objects: 1_000_000 }

const [putMs, getMs, listMs] = [1.5, 0.5, 30]
const pageOf = 1000
const bytes = 4096

type Ask = (method: string, path: string, query?: Record<string, string>, body?: Buffer) => Promise<Buffer>
interface Api {
  name: 'Swift' | 'S3'
  ask: Ask
}

/** Measures a cloud that runs on an embedded database and speaks S3. `what`: all of it, or one half. */
export async function measureSmallObjects(
  cloud: BenchCloud,
  note: (line: Line) => void,
  amounts: Amounts = usualAmounts,
  what: 'all' | 'operations' | 'lists' = 'all',
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const apis = [swift(cloud, agent), await s3(cloud, agent)]
  const measured = (text: string, ours: number, target?: number) =>
    note({ what: text, unit: 'ms', ours, target, openstack: undefined })
  try {
    if (what !== 'lists') for (const api of apis) await measureOperations(cloud, api, amounts, measured)
    if (what === 'operations') return
    await load(cloud, amounts.objects)
    for (const api of apis) await measureLists(cloud, api, measured)
  } finally {
    agent.destroy()
  }
}

type Measured = (what: string, ours: number, target?: number) => void

async function measureOperations(cloud: BenchCloud, { name, ask }: Api, amounts: Amounts, measured: Measured) {
  const { operations, atOnce } = amounts
  const bucket = `/small-${name.toLowerCase()}`
  await ask('PUT', bucket)
  const path = (n: number) => `${bucket}/folder-${n % 100}/object-${n}.bin`
  const body = (n: number) => {
    const made = randomFillSync(Buffer.alloc(bytes))
    made.writeUInt32BE(n)
    return made
  }
  const cost = (work: (n: number) => Promise<unknown>) => costOf(cloud, operations, atOnce, work)
  const read = async (n: number) => {
    const got = await ask('GET', path(n))
    if (got.length !== bytes || got.readUInt32BE() !== n) throw new Error(`GET ${path(n)} gave something else`)
  }
  measured(`${name}: PUT 4 KiB`, await cost((n) => ask('PUT', path(n), {}, body(n))), putMs)
  measured(`${name}: … over another object`, await cost((n) => ask('PUT', path(n), {}, body(n))), putMs)
  measured(`${name}: GET 4 KiB`, await cost(read), getMs)
  measured(`${name}: HEAD`, await cost((n) => ask('HEAD', path(n))))
  measured(`${name}: DELETE`, await cost((n) => ask('DELETE', path(n))))
}

async function measureLists(cloud: BenchCloud, { name, ask }: Api, measured: Measured) {
  const { flat, mixed, folders, folderCount } = layout
  const [form, limit, after]: [Record<string, string>, string, string] =
    name === 'Swift' ? [{ format: 'json' }, 'limit', 'marker'] : [{ 'list-type': '2' }, 'max-keys', 'start-after']
  const versions: Record<string, string> = name === 'Swift' ? { ...form, versions: '' } : { versions: '' }
  const afterVersion = name === 'Swift' ? 'marker' : 'key-marker'
  const list = async (what: string, query: Record<string, string>) => {
    const asked = { ...query, [limit]: String(pageOf) }
    const work = async () => {
      const text = (await ask('GET', '/large', asked)).toString()
      const found =
        name === 'Swift' ? (JSON.parse(text) as unknown[]).length : text.split(/<Key>|<CommonPrefixes>/).length - 1
      if (found !== pageOf) throw new Error(`a list of ${JSON.stringify(asked)} has ${found} entries`)
    }
    measured(`${name}: list 1,000, ${what}`, await costOf(cloud, 60, 2, work), listMs)
  }
  await list('from the beginning', form)
  await list('… from the middle', { ...form, [after]: folder(folderCount / 2) })
  await list('… near the end', { ...form, [after]: folder(folderCount - 10) })
  await list('… by prefix', { ...form, prefix: `${folders}1` })
  await list('by delimiter', { ...form, delimiter: '/', prefix: folders })
  await list('… from the middle', { ...form, delimiter: '/', prefix: folders, [after]: folder(folderCount / 2 - 1) })
  await list('… near the end, objects', { ...form, delimiter: '/', prefix: flat, [after]: `${flat}0001000.eml` })
  await list('… objects and folders', { ...form, delimiter: '/', prefix: mixed })
  await list('versions', versions)
  await list('… near the end', { ...versions, [afterVersion]: folder(folderCount - 10) })
  await list('… of which there are several', { ...versions, prefix: flat })
  if (name === 'S3') await list('… by delimiter', { ...versions, delimiter: '/', prefix: folders })
  if (name === 'S3') await list('… by delimiter, of several', { ...versions, delimiter: '/', prefix: flat })
}

/** CPU of all our processes for each of `count` calls, `atOnce` of them at a time, when they are warm. */
async function costOf(cloud: BenchCloud, count: number, atOnce: number, work: (n: number) => Promise<unknown>) {
  const warm = Math.ceil(count / 4)
  await each(warm, atOnce, (n) => work(n))
  const from = cpuMs(cloud.run)
  await each(count - warm, atOnce, (n) => work(warm + n))
  return (cpuMs(cloud.run) - from) / (count - warm)
}

function swift(cloud: BenchCloud, agent: Agent): Api {
  const base = `/object-store/v1/AUTH_${cloud.projectId}`
  return {
    name: 'Swift',
    ask: (method, path, query = {}, body) =>
      exchange(
        cloud.url,
        agent,
        { method, path: `${base}${path}?${new URLSearchParams(query)}`, body },
        {
          'X-Auth-Token': cloud.token,
        },
      ),
  }
}

async function s3(cloud: BenchCloud, agent: Agent): Promise<Api> {
  const { s3Url, projectId, call } = cloud
  if (s3Url === undefined) throw new Error('the cloud does not speak S3')
  const { users } = await call<{ users: { id: string }[] }>('GET', '/identity/v3/users?name=admin&domain_id=default')
  const { credential } = await call<{ credential: Keys }>(
    'POST',
    `/identity/v3/users/${users[0]?.id}/credentials/OS-EC2`,
    {
      tenant_id: projectId,
    },
  )
  const sign = signer(credential, new URL(s3Url).host, 'us-east-1')
  return {
    name: 'S3',
    ask(method, path, query, body) {
      const signed = sign(method, path, query, body)
      return exchange(s3Url, agent, { method, path: signed.path, body }, signed.headers)
    },
  }
}

interface Exchange {
  method: string
  path: string
  body: Buffer | undefined
}

async function exchange(url: string, agent: Agent, { method, path, body }: Exchange, headers: Record<string, string>) {
  const { hostname, port } = new URL(url)
  const length = method === 'PUT' ? { 'Content-Length': String(body?.length ?? 0) } : {}
  const outgoing = request({ hostname, port, method, path, agent, headers: { ...headers, ...length } })
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const got = await buffer(incoming)
  if ((incoming.statusCode ?? 0) >= 300) throw new Error(`${method} ${path}: ${incoming.statusCode} ${got.toString()}`)
  return got
}

async function load(cloud: BenchCloud, objects: number): Promise<void> {
  const container = { name: 'large', projectId: cloud.projectId }
  const socket = join(cloud.run, '../postgres/socket')
  await swift(cloud, new Agent()).ask('PUT', `/${container.name}`)
  const db = postgres({ host: socket, port: 5432, database: 'pileus', username: 'pileus', onnotice: () => {} })
  try {
    await loadObjects(db, container, objects)
  } finally {
    await db.end()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: String(usualAmounts.operations) },
      'at-once': { type: 'string', default: String(usualAmounts.atOnce) },
      objects: { type: 'string', default: String(usualAmounts.objects) },
      only: { type: 'string', default: 'all' },
    },
  })
  const { only } = values
  if (only !== 'all' && only !== 'operations' && only !== 'lists') throw new Error('--only operations, or lists')
  const amounts = {
    operations: Number(values.operations),
    atOnce: Number(values['at-once']),
    objects: Number(values.objects),
  }
  const cloud = await startCloud(['--sim', '1', '--processes', '1'], false, { hasS3: true })
  const note = ({ what, unit, ours, target }: Line) =>
    process.stdout.write(`${what}: ${figureOf(ours, unit)}${target === undefined ? '' : ` (target ${target})`}\n`)
  try {
    await measureSmallObjects(cloud, note, amounts, only)
  } finally {
    await cloud.stop()
  }
}
