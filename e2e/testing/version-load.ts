// Objects of a bucket that keeps versions: each version that was acknowledged is there, until it is removed for good.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { ObjectClient } from './object-client.ts'

const bucket = 'kept'
const mostVersions = 12
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')

export interface VersionLoad {
  /** One change. */
  work(worker: number): Promise<void>
  /** Reads all versions; how many there are. */
  verify(): Promise<number>
}

interface Known {
  /** Version → md5. */
  acknowledged: Map<string, string>
  /** Their removal was asked for, and not answered. */
  doubtful: Set<string>
  /** md5s of what was not acknowledged. */
  unanswered: Set<string>
}

export function versionLoad({ send }: ObjectClient): VersionLoad {
  const known = new Map<string, Known>()
  const unclear = (status: number) => status === 0 || status === 500 || status === 503

  async function read(key: string, versionId: string): Promise<string> {
    for (;;) {
      const { status, body } = await send('s3', 'GET', `${bucket}/${key}`, { query: { versionId } })
      if (unclear(status)) continue
      assert.equal(status, 200, `${key} ${versionId}: ${body.toString('utf8', 0, 200)}`)
      return md5(body)
    }
  }

  return {
    async work(worker) {
      const key = `v${worker}/o${randomInt(2)}`
      const mine: Known = known.get(key) ?? { acknowledged: new Map(), doubtful: new Set(), unanswered: new Set() }
      known.set(key, mine)
      const [oldest] = mine.acknowledged.keys()
      if (oldest !== undefined && (mine.acknowledged.size > mostVersions || randomInt(5) === 0)) {
        assert.equal(await read(key, oldest), mine.acknowledged.get(oldest))
        const { status } = await send('s3', 'DELETE', `${bucket}/${key}`, { query: { versionId: oldest } })
        assert.ok(status === 204 || unclear(status), `removal of a version: ${status}`)
        if (status !== 204) mine.doubtful.add(oldest)
        mine.acknowledged.delete(oldest)
        return
      }
      if (randomInt(6) === 0) {
        const { status } = await send('s3', 'DELETE', `${bucket}/${key}`)
        assert.ok(status === 204 || unclear(status), `mark of deletion: ${status}`)
        return
      }
      const body = randomBytes(randomInt(60_000))
      const { status, headers } = await send('s3', 'PUT', `${bucket}/${key}`, { body })
      assert.ok(status === 200 || unclear(status), `a new version: ${status}`)
      if (status === 200) mine.acknowledged.set(String(headers['x-amz-version-id']), md5(body))
      else mine.unanswered.add(md5(body))
    },
    async verify() {
      const there = new Map<string, Set<string>>()
      let [key, version] = ['', '']
      for (;;) {
        const query = { versions: '', 'key-marker': key, ...(version && { 'version-id-marker': version }) }
        const { status, body } = await send('s3', 'GET', bucket, { query })
        if (unclear(status)) continue
        const text = body.toString()
        assert.equal(status, 200, text)
        for (const [, entry = ''] of text.matchAll(/<Version>(.*?)<\/Version>/gs)) {
          const of = (element: string) => new RegExp(`<${element}>([^<]*)<`).exec(entry)?.[1] ?? ''
          const all = there.get(of('Key')) ?? new Set()
          there.set(of('Key'), all.add(of('VersionId')))
        }
        if (!text.includes('<IsTruncated>true<')) break
        key = /<NextKeyMarker>([^<]+)</.exec(text)?.[1] ?? ''
        version = /<NextVersionIdMarker>([^<]+)</.exec(text)?.[1] ?? ''
      }
      for (const [name, { acknowledged, doubtful, unanswered }] of known) {
        const listed = there.get(name) ?? new Set()
        for (const id of acknowledged.keys()) assert.ok(listed.has(id), `version ${id} of ${name} is not listed`)
        for (const id of listed) {
          const held = await read(name, id)
          const right = acknowledged.get(id)
          if (right !== undefined) assert.equal(held, right)
          else assert.ok(doubtful.has(id) || unanswered.has(held), `${name} has a version ${id} that nobody wrote`)
        }
      }
      return [...there.values()].reduce((sum, all) => sum + all.size, 0)
    },
  }
}
