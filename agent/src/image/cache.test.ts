import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { ImageSource } from '@pileus/contract/agent.ts'
import { pino } from 'pino'
import { ensureJoined } from '../connection/join.ts'
import { loadKey } from '../connection/keys.ts'
import { testServer } from '../connection/server.testing.ts'
import { findQemuUser } from '../unprivileged.ts'
import { imageCache, imageFile } from './cache.ts'

const never = new AbortController().signal

async function store(t: TestContext, limitBytes = 1024 ** 3) {
  const server = await testServer()
  t.after(() => server.close())
  const dataDir = await mkdtemp(join(tmpdir(), 'pileus-images-'))
  t.after(() => rm(dataDir, { recursive: true }))
  const key = await loadKey(dataDir)
  const { hostId } = await ensureJoined({ dataDir, server: server.url, token: server.token, name: 'h', key })
  const folder = join(dataDir, 'images')
  const used = new Set<string>()
  const open = async () =>
    imageCache({
      folder,
      server: { url: server.url, hostId, key },
      user: await findQemuUser('60790'),
      limitBytes,
      filesInUse: async () => used,
      log: pino({ level: 'silent' }),
    })
  const put = (imageId: string, bytes: Buffer): ImageSource => {
    server.images.set(imageId, bytes)
    const sha512 = createHash('sha512').update(bytes).digest('hex')
    return { imageId, format: 'raw', sizeBytes: bytes.length, sha512 }
  }
  return { server, folder, used, open, put }
}

test('an image is fetched once, however many ask, and outlives the agent', async (t) => {
  const { server, folder, open, put } = await store(t)
  const source = put('one', randomBytes(300_000))
  const cache = await open()
  const both = await Promise.all([cache.ensure(source, never), cache.ensure(source, never)])
  assert.deepEqual(both[0], { file: imageFile(source), format: 'raw', virtualBytes: 300_000 })
  assert.deepEqual(await readFile(join(folder, imageFile(source))), server.images.get('one'))
  assert.equal((await stat(join(folder, imageFile(source)))).mode & 0o777, 0o444)
  await (await open()).ensure(source, never)
  assert.deepEqual(server.downloads, ['one'])
})

test('what is not what it should be leaves nothing', async (t) => {
  const { folder, open, put } = await store(t)
  const cache = await open()
  const good = put('bad', Buffer.from('some bytes'))
  await assert.rejects(cache.ensure({ ...good, sha512: 'f'.repeat(128) }, never), /checksum/)
  await assert.rejects(cache.ensure({ ...good, sizeBytes: 3 }, never), /longer than its 3 bytes/)
  await assert.rejects(cache.ensure({ ...good, sizeBytes: 300 }, never), /ended after 10 of 300/)
  await assert.rejects(cache.ensure({ ...good, format: 'qcow2' }, never), /declared as qcow2/)
  await assert.rejects(cache.ensure({ ...good, imageId: 'none' }, never), /no longer there/)
  await assert.rejects(cache.ensure({ ...good, imageId: '../x' }, never), /usable id/)
  assert.deepEqual(await readdir(folder), [])
})

test('what a killed agent left behind goes, what is whole stays', async (t) => {
  const { server, folder, open, put } = await store(t)
  const source = put('whole', Buffer.from('bytes'))
  await (await open()).ensure(source, never)
  await writeFile(join(folder, 'half-1234.raw'), 'no note')
  await writeFile(join(folder, 'half-1234.raw.fetch'), 'a part')
  await writeFile(join(folder, 'lost-1234.raw.json'), '{}')
  await (await open()).ensure(source, never)
  assert.deepEqual((await readdir(folder)).toSorted(), [imageFile(source), `${imageFile(source)}.json`])
  assert.equal(server.downloads.length, 1)
})

test('whoever gives up does not wait, and may ask again', async (t) => {
  const { folder, open, put } = await store(t)
  const cache = await open()
  const source = put('big', randomBytes(5_000_000))
  const stop = new AbortController()
  const waiting = cache.ensure(source, stop.signal)
  stop.abort(new Error('another wish'))
  await assert.rejects(waiting, /another wish/)
  await assert.rejects(cache.ensure(source, stop.signal), /another wish/)
  await cache.ensure(source, never) // and it can be asked for again
  assert.equal((await readdir(folder)).length, 2)
})

test('beyond the limit the images used longest ago go, but none in use', async (t) => {
  const { folder, used, open, put } = await store(t, 250_000)
  const cache = await open()
  const sources = ['a', 'b', 'c', 'd'].map((name) => put(name, randomBytes(100_000)))
  for (const [i, source] of sources.entries()) {
    used.add(imageFile(source))
    await cache.ensure(source, never)
    await utimes(join(folder, imageFile(source)), 1000 + i, 1000 + i)
  }
  used.clear()
  const [oldest] = sources
  assert.ok(oldest !== undefined)
  used.add(imageFile(oldest))
  await cache.evict()
  const left = (await readdir(folder)).filter((name) => name.endsWith('.raw')).map((name) => name.slice(0, 1))
  assert.deepEqual(
    left.toSorted((a, b) => a.localeCompare(b)),
    ['a', 'd'],
  )
})
