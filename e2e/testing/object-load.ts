// Writers and readers of objects that know what may be there: after an answer exactly that; without one, what was there
// before or what was asked for, each whole.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export interface Target {
  port: number
  token: string
  /** `/object-store/v1/AUTH_…/box` */
  box: string
}
interface Reply {
  /** 0: none came, or not all of it. */
  status: number
  etag: string
  body: Buffer
}
/** md5 of what an object holds; '' when there is none. */
type Held = string

export interface Load {
  done: { acknowledged: number; unacknowledged: number; read: number; bytes: number }
  /** Works until told to stop. */
  worker(number: number, going: () => boolean): Promise<void>
  /** Reads everything there should be, and what is listed. */
  verify(): Promise<{ objects: number; unsure: number }>
}

const largest = 6 * 2 ** 20
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')

export function objectLoad(target: Target): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  // name → what it may hold; names of one worker, which knows the order of its own requests
  const own = new Map<string, Set<Held>>()
  // name → everything that anybody ever asked to be there
  const shared = new Map<string, Set<Held>>()
  const done = { acknowledged: 0, unacknowledged: 0, read: 0, bytes: 0 }

  async function send(
    method: string,
    path: string,
    body?: Buffer,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    try {
      const outgoing = request({
        ...{ host: '127.0.0.1', port: target.port, method, path: `${target.box}${path}`, agent },
        headers: {
          'X-Auth-Token': target.token,
          'Content-Type': 'application/octet-stream',
          ...(method === 'PUT' && { 'Content-Length': String(body?.length ?? 0) }),
          ...headers,
        },
        timeout: 60_000,
      })
      outgoing.once('timeout', () => outgoing.destroy(new Error('no answer for a minute')))
      outgoing.on('error', () => {}) // seen by `once`, or of a body that nobody reads any more
      outgoing.end(body)
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
      const received = await buffer(incoming)
      const length = incoming.headers['content-length']
      if (method !== 'HEAD' && length !== undefined && Number(length) !== received.length) throw new Error('broke off')
      const etag = String(incoming.headers.etag ?? '').replaceAll('"', '')
      return { status: incoming.statusCode ?? 0, etag, body: received }
    } catch (error) {
      // nobody took the request: nothing can have come of it
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') {
        await delay(20)
        return send(method, path, body, headers)
      }
      return { status: 0, etag: '', body: Buffer.alloc(0) }
    }
  }

  /** Notes what an answer to a change says about what is there. */
  function note(name: string, status: number, held: Held, fine: readonly number[]): void {
    if (fine.includes(status)) {
      own.set(name, new Set([held]))
      done.acknowledged++
      return
    }
    assert.ok(
      status === 0 || status === 500 || status === 503 || status === 409 || status === 404,
      `${name}: ${status}`,
    )
    own.set(name, (own.get(name) ?? new Set([''])).add(held))
    done.unacknowledged++
  }

  async function put(
    name: string,
    size = Math.ceil(Math.exp(Math.random() * Math.log(largest))),
  ): Promise<Held | undefined> {
    const body = randomBytes(size)
    const held = md5(body)
    const { status, etag } = await send('PUT', `/${name}`, body)
    note(name, status, held, [201])
    if (status !== 201) return undefined
    assert.equal(etag, held)
    done.bytes += size
    return held
  }

  async function multipart(name: string): Promise<void> {
    const whole = createHash('md5')
    const manifest: object[] = []
    for (let n = 0; n < 3; n++) {
      const segment = `${name}.parts/${randomBytes(4).toString('hex')}`
      const body = randomBytes(randomInt(1, 400_000))
      const held = md5(body)
      whole.update(body)
      const { status } = await send('PUT', `/${segment}`, body)
      note(segment, status, held, [201])
      if (status !== 201) return
      manifest.push({ path: `/box/${segment}`, etag: held, size_bytes: body.length })
    }
    const held = whole.digest('hex')
    const { status } = await send('PUT', `/${name}?multipart-manifest=put`, Buffer.from(JSON.stringify(manifest)))
    note(name, status, held, [201])
  }

  /** Reads a name; whatever comes is whole and may be there. */
  async function read(name: string, may: ReadonlySet<Held>): Promise<boolean> {
    const { status, body } = await send('GET', `/${name}`)
    if (status === 0 || status === 503 || status === 500) return false
    assert.ok(status === 200 || status === 404, `${name}: ${status} ${body.toString('utf8', 0, 200)}`)
    const held = status === 404 ? '' : md5(body)
    assert.ok(
      may.has(held),
      `${name} holds ${held || 'nothing'} (${body.length} bytes), which is none of ${[...may].join(', ')}`,
    )
    done.read++
    return true
  }

  async function inList(name: string, held: Held): Promise<void> {
    const { status, body } = await send('GET', `?format=json&prefix=${name}`)
    if (status !== 200) return
    const listed = (JSON.parse(body.toString()) as { name: string; hash: string }[]).find((each) => each.name === name)
    assert.equal(listed?.hash, held, `${name} in the list`)
  }

  return {
    done,
    async worker(number, going) {
      const names = Array.from({ length: 8 }, (_, n) => `w${number}/o${n}`)
      const any = () => names[randomInt(names.length)]!
      while (going()) {
        const name = any()
        const dice = randomInt(100)
        const may = own.get(name) ?? new Set([''])
        if (dice < 40) {
          const held = await put(name)
          if (held && dice < 10) await inList(name, held)
        } else if (dice < 52) {
          const { status } = await send('DELETE', `/${name}`)
          note(name, status, '', status === 404 && may.has('') ? [204, 404] : [204])
        } else if (dice < 65) {
          const from = any()
          const sources = own.get(from) ?? new Set([''])
          const [source] = sources
          if (sources.size > 1 || !source || from === name) continue
          const { status } = await send('COPY', `/${from}`, undefined, { Destination: `box/${name}` })
          note(name, status, source, [201])
        } else if (dice < 73) await multipart(name)
        else if (dice < 85) {
          const common = `common/o${randomInt(4)}`
          const body = randomBytes(randomInt(1, 200_000))
          const asked = shared.get(common) ?? new Set([''])
          shared.set(common, asked.add(md5(body)))
          await send('PUT', `/${common}`, body)
        } else await read(name, may)
      }
    },
    async verify() {
      let unsure = 0
      for (const [name, may] of [...own, ...shared]) {
        if (may.size > 1) unsure++
        assert.ok(await read(name, may), `${name} cannot be read`)
      }
      return { objects: own.size + shared.size, unsure }
    },
  }
}
