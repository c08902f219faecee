// Writers and readers of objects, by Swift and by S3, that know what may be there (see object-history.ts), while servers die.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Door, ObjectClient, Reply } from './object-client.ts'
import { type Held, history } from './object-history.ts'
import { versionLoad } from './version-load.ts'

export interface Load {
  done: Record<'acknowledged' | 'unacknowledged' | 'read' | 'listed' | 'uploads' | 'bytes', number>
  /** Works until told to stop. */
  worker(number: number, going: () => boolean): Promise<void>
  /** Gives up the uploads that nobody ended. How many there were. */
  giveUp(): Promise<number>
  /** Reads everything there should be by both doors, and sees that lists show exactly that. */
  verify(): Promise<{ objects: number; versions: number; unsure: number }>
}

const box = 'box'
const largest = 3 * 2 ** 20
const leastPart = 5 * 2 ** 20
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')
const doors: Door[] = ['swift', 's3']
const anyDoor = () => doors[randomInt(2)]!
// what says nothing about whether it was done
const unclear = (status: number) => status === 0 || status === 500 || status === 503
const randomSize = () => Math.floor(Math.exp(Math.random() * Math.log(largest))) - 1

export function objectLoad(client: ObjectClient): Load {
  const { send } = client
  const names = history()
  const versions = versionLoad(client)
  const done = { acknowledged: 0, unacknowledged: 0, read: 0, listed: 0, uploads: 0, bytes: 0 }

  /** One request that makes the name hold that; what comes of it is noted. */
  async function change(name: string, held: Held, fine: readonly number[], ask: () => Promise<Reply>): Promise<Reply> {
    const noted = names.change(name, held)
    const began = performance.now()
    const reply = await ask()
    if (fine.includes(reply.status)) {
      noted.done()
      done.acknowledged++
    } else if (unclear(reply.status)) {
      noted.unknown()
      done.unacknowledged++
    } else {
      noted.refused()
      // what is to be removed may be gone; what is to be copied may have been replaced
      const isAbsent = reply.status === 404 && held === '' && names.may(name, began, performance.now()).has('')
      assert.ok(isAbsent || reply.status === 409, `${name}: ${reply.status} ${reply.body.toString('utf8', 0, 300)}`)
    }
    return reply
  }

  async function put(name: string, size: number): Promise<boolean> {
    const body = randomBytes(size)
    const held = md5(body)
    const door = anyDoor()
    const { status, headers } = await change(name, held, [200, 201], () =>
      send(door, 'PUT', `${box}/${name}`, { body }),
    )
    if (status >= 300 || status === 0) return false
    assert.equal(String(headers.etag).replaceAll('"', ''), held)
    done.bytes += size
    return true
  }

  async function remove(name: string): Promise<boolean> {
    const door = anyDoor()
    const { status } = await change(name, '', [204], () => send(door, 'DELETE', `${box}/${name}`))
    return status === 204 || status === 404
  }

  async function copy(from: string, name: string): Promise<void> {
    const held = names.sure(from)
    if (!held || from === name) return
    if (randomInt(2) === 0)
      await change(name, held, [201], () =>
        send('swift', 'COPY', `${box}/${from}`, { headers: { destination: `${box}/${name}` } }),
      )
    else
      await change(name, held, [200], () =>
        send('s3', 'PUT', `${box}/${name}`, { headers: { 'x-amz-copy-source': `/${box}/${from}` } }),
      )
  }

  /** A large object of segments; those of the one before go when nobody needs them. */
  async function segmented(name: string, before: string[]): Promise<string[]> {
    const whole = createHash('md5')
    const manifest: object[] = []
    const segments = Array.from({ length: randomInt(1, 4) }, () => `${name}.parts/${randomBytes(4).toString('hex')}`)
    const made = [...before]
    for (const segment of segments) {
      const body = randomBytes(randomInt(1, 200_000))
      made.push(segment)
      whole.update(body)
      const { status } = await change(segment, md5(body), [201], () =>
        send('swift', 'PUT', `${box}/${segment}`, { body }),
      )
      if (status !== 201) return made
      manifest.push({ path: `/${box}/${segment}`, etag: md5(body), size_bytes: body.length })
    }
    const { status } = await change(name, whole.digest('hex'), [201], () =>
      send('swift', 'PUT', `${box}/${name}`, {
        query: { 'multipart-manifest': 'put' },
        body: JSON.stringify(manifest),
      }),
    )
    if (status !== 201) return made
    const left: string[] = []
    for (const segment of before) {
      if (await remove(segment)) names.forget(segment)
      if (names.names().includes(segment)) left.push(segment)
    }
    return [...left, ...segments]
  }

  /** The same again while there is no clear answer. */
  async function again(ask: () => Promise<Reply>): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      const reply = await ask()
      if (!unclear(reply.status) || attempt === 20) return reply
      await delay(100)
    }
  }

  async function upload(name: string): Promise<void> {
    const path = `${box}/${name}`
    const begun = await send('s3', 'POST', path, { query: { uploads: '' } })
    if (unclear(begun.status)) return
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())?.[1] ?? ''
    assert.ok(begun.status === 200 && uploadId, begun.body.toString())
    const sizes = randomInt(5) === 0 ? [leastPart, randomInt(1, 100_000)] : [randomInt(1, 300_000)]
    const whole = createHash('md5')
    const parts: string[] = []
    for (const [n, size] of sizes.entries()) {
      // a part that comes twice counts as it came last
      for (let turn = randomInt(4) === 0 ? 2 : 1; turn > 0; turn--) {
        const body = randomBytes(size)
        const query = { partNumber: String(n + 1), uploadId }
        const { status, headers } = await again(() => send('s3', 'PUT', path, { query, body }))
        if (unclear(status)) return
        assert.deepEqual([status, headers.etag], [200, `"${md5(body)}"`])
        if (turn > 1) continue
        whole.update(body)
        parts.push(`<Part><PartNumber>${n + 1}</PartNumber><ETag>${headers.etag}</ETag></Part>`)
      }
    }
    done.uploads++
    if (randomInt(5) === 0) {
      const { status } = await send('s3', 'DELETE', path, { query: { uploadId } })
      assert.ok(unclear(status) || status === 204, `abort: ${status}`)
      return
    }
    const hadOther = names.sure(name) === undefined
    const noted = names.change(name, whole.digest('hex'))
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
    const reply = await again(() => send('s3', 'POST', path, { query: { uploadId }, body }))
    if (reply.status === 200 && !reply.body.includes('<Error>')) {
      noted.done()
      done.acknowledged++
      return
    }
    noted.unknown()
    done.unacknowledged++
    // nobody else ends it, so it is there as long as its object is not; only an older request may have replaced that one
    const isGone = reply.status === 404 && hadOther
    assert.ok(unclear(reply.status) || isGone, `complete ${name}: ${reply.status} ${reply.body.toString()}`)
  }

  /** Whatever comes is whole and may be there. Undefined: nothing came. */
  async function read(door: Door, name: string): Promise<Held | undefined> {
    const began = performance.now()
    const { status, body } = await send(door, 'GET', `${box}/${name}`)
    if (unclear(status)) return undefined
    // a large object whose segments are being replaced
    if (status === 409) return undefined
    assert.ok(status === 200 || status === 404, `${name}: ${status} ${body.toString('utf8', 0, 200)}`)
    const held = status === 404 ? '' : md5(body)
    const may = names.may(name, began, performance.now())
    assert.ok(
      may.has(held),
      `${name} by ${door} holds ${held || 'nothing'} (${body.length} bytes), which is none of ${[...may].join(', ')}`,
    )
    done.read++
    return held
  }

  /** Names below the prefix: those listed may be there, those not listed may be not there. */
  async function list(door: Door, prefix: string): Promise<Set<string> | undefined> {
    const began = performance.now()
    const listed = new Set<string>()
    for (let marker = ''; ;) {
      const { status, body } =
        door === 'swift'
          ? await send('swift', 'GET', box, { query: { prefix, marker, limit: '1000' } })
          : await send('s3', 'GET', box, { query: { 'list-type': '2', prefix, 'start-after': marker } })
      if (unclear(status)) return undefined
      assert.ok(status === 200 || status === 204, `list: ${status} ${body.toString()}`)
      const page =
        door === 'swift'
          ? body.toString().split('\n').slice(0, -1)
          : [...body.toString().matchAll(/<Key>([^<]+)</g)].map((found) => found[1]!)
      for (const name of page) listed.add(name)
      if (page.length < 1000) break
      marker = page.at(-1)!
    }
    const ended = performance.now()
    for (const name of listed) {
      const may = names.may(name, began, ended)
      assert.ok(may.size > 1 || !may.has(''), `${door} lists ${name}, which is not there`)
    }
    for (const name of names.names())
      if (name.startsWith(prefix) && !listed.has(name))
        assert.ok(names.may(name, began, ended).has(''), `${door} does not list ${name}`)
    done.listed++
    return listed
  }

  return {
    done,
    async worker(number, going) {
      const own = Array.from({ length: 8 }, (_, n) => `w${number}/o${n}`)
      const any = () => own[randomInt(own.length)]!
      let segments: string[] = []
      while (going()) {
        const dice = randomInt(100)
        const common = `common/o${randomInt(3)}`
        if (dice < 30) await put(any(), randomSize())
        else if (dice < 38) await remove(any())
        else if (dice < 46) await copy(any(), any())
        else if (dice < 50) segments = await segmented(`w${number}/large`, segments)
        else if (dice < 60) await upload(any())
        // two writers of one name, and more
        else if (dice < 70) await put(common, randomInt(200_000))
        else if (dice < 72) await remove(common)
        else if (dice < 75) await upload(`w${number}/upload`)
        else if (dice < 85) await versions.work(number)
        else if (dice < 90) await list(anyDoor(), `w${number}/`)
        else await read(anyDoor(), randomInt(3) === 0 ? common : any())
      }
    },
    async giveUp() {
      let given = 0
      for (;;) {
        const { body } = await again(() => send('s3', 'GET', box, { query: { uploads: '' } }))
        const found = [
          ...body.toString().matchAll(/<Upload><Key>([^<]+)<\/Key><UploadId>([^<]+)<\/UploadId>/g),
        ] as unknown as [string, string, string][]
        if (found.length === 0) return given
        for (const [, key, uploadId] of found) {
          const { status } = await again(() => send('s3', 'DELETE', `${box}/${key}`, { query: { uploadId } }))
          assert.equal(status, 204)
          given++
        }
      }
    },
    async verify() {
      let unsure = 0
      const there = new Set<string>()
      for (const name of names.names()) {
        if (names.sure(name) === undefined) unsure++
        const [one, other] = [await read('swift', name), await read('s3', name)]
        assert.ok(one !== undefined && one === other, `${name} holds ${one} by Swift, ${other} by S3`)
        if (one) there.add(name)
      }
      for (const door of doors) {
        const listed = await list(door, '')
        assert.deepEqual(
          [...(listed ?? [])].toSorted(),
          [...there].toSorted(),
          `what ${door} lists is what can be read`,
        )
      }
      return { objects: there.size, unsure, versions: await versions.verify() }
    },
  }
}
