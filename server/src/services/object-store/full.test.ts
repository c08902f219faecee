// Full disks under the whole store: what cannot be stored is a 507 by both APIs, nothing is lost, and all goes on when there
// is room again.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeApp } from '#app'
import { readConfig } from '#lib/config.ts'
import { openDatabase, sql } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { migrate } from '#lib/migrate.ts'
import { startCluster, stopCluster } from '#lib/postgres.ts'
import { inMountNamespace, mounted } from '#lib/testing/mounts.ts'
import { allBackends } from './backends.ts'
import { s3Cloud } from './s3/testing.ts'
import { collectGarbage, sweepOrphans } from './sweep.ts'

const mib = 1 << 20
const swift = '/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/box'

/** Takes all the room there is on a file system; answers how to give it back. */
function fill(dir: string): () => void {
  const path = join(dir, 'filler')
  const file = openSync(path, 'w')
  const piece = Buffer.alloc(64 * 1024, 1)
  for (let size = piece.length; size >= 512;) {
    try {
      writeSync(file, piece, 0, size)
    } catch {
      size /= 2
    }
  }
  closeSync(file)
  return () => rmSync(path)
}

async function fullStore(t: TestContext) {
  const [dir] = await mounted(t, ['24m'])
  const all = await s3Cloud(t, { objectDirs: dir! })
  const { app, db, as } = all.cloud
  const [member, client] = [as('member'), await all.s3('member')]
  assert.equal((await client.call('PUT', '/box')).status, 200)
  return {
    dir: dir!,
    ...{ member, client },
    world: app.world,
    async state() {
      const blobs: string[] = []
      for (const backend of allBackends(app.world)) for await (const { id } of backend.list()) blobs.push(id)
      const use = await member.head(swift)
      const [row] = await db.rows<{ blobs: number; parts: number }>(sql`select
        (select count(*)::int from object_blob where refs > 0) as blobs, (select count(*)::int from object_part) as parts`)
      assert.equal(await sweepOrphans(app.world, -1000), 0, 'nobody has left anything')
      return { files: blobs.length, ...row, bytes: use.headers['x-container-bytes-used'] }
    },
  }
}

inMountNamespace('a full disk under the store', import.meta.filename, () => {
  test('a full disk of objects: 507, what is there stays as it is, and room that is made is used', async (t) => {
    const { dir, member, client, world, state } = await fullStore(t)
    const [old, big] = [randomBytes(2 * mib), randomBytes(4 * mib)]
    await member.put(`${swift}/o`, undefined, { raw: old })
    await member.put(`${swift}/spare`, undefined, { raw: randomBytes(2 * mib) })
    const begun = await client.call('POST', '/box/parts', { query: { uploads: '' } })
    const uploadId = begun.the('UploadId')
    const part = (number: number, body: Buffer) =>
      client.call('PUT', '/box/parts', { query: { uploadId, partNumber: String(number) }, body })
    const first = await part(1, old)
    assert.equal(first.status, 200)
    const before = await state()
    const giveBack = fill(dir)

    assert.equal((await member.put(`${swift}/o`, undefined, { raw: big })).status, 507)
    assert.equal((await member.put(`${swift}/new`, undefined, { raw: big })).status, 507)
    for (const reply of [
      await client.call('PUT', '/box/o', { body: big }),
      await client.call('PUT', '/box/o', { body: big, headers: { 'x-amz-server-side-encryption': 'AES256' } }),
      await part(1, big),
      await part(2, big),
      // a copy that is encrypted anew needs room as well
      await client.call('PUT', '/box/o', {
        headers: { 'x-amz-copy-source': '/box/spare', 'x-amz-server-side-encryption': 'AES256' },
      }),
    ])
      assert.deepEqual([reply.status, reply.the('Code')], [507, 'StorageFull'], reply.text)
    assert.deepEqual(await state(), before)
    assert.ok((await client.call('GET', '/box/o')).bytes.equals(old))
    // what needs no room goes on: small objects, shared bytes, lists, removals
    assert.equal((await member.put(`${swift}/small`, undefined, { raw: Buffer.from('x') })).status, 201)
    assert.equal(
      (await member.call('COPY', `${swift}/o`, undefined, { headers: { destination: 'box/copy' } })).status,
      201,
    )
    assert.equal((await client.call('DELETE', '/box/spare')).status, 204)
    await collectGarbage(world)
    assert.equal((await member.put(`${swift}/fits`, undefined, { raw: old.subarray(0, mib) })).status, 201)

    giveBack()
    assert.equal((await client.call('PUT', '/box/o', { body: big })).status, 200)
    assert.ok((await client.call('GET', '/box/o')).bytes.equals(big))
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${first.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    assert.equal((await client.call('POST', '/box/parts', { query: { uploadId }, body })).status, 200)
    assert.ok((await client.call('GET', '/box/parts')).bytes.equals(old))
    assert.equal((await state()).parts, 0)
  })

  test('a full disk of the database: 507, then 503 when it has died of it, and everything acknowledged is there', async () => {
    // the last first: the database ends before its disk goes
    await using ends = new AsyncDisposableStack()
    const [dir] = await mounted({ after: (end) => ends.defer(end as () => Promise<void>) }, ['320m'])
    const { url } = await startCluster(join(dir!, 'postgres'), { throwAway: true })
    await migrate(url)
    const log = makeLog('test', process.env['PILEUS_TEST_LOG'] ?? 'fatal')
    const settings = readConfig(
      {},
      { data: dir!, simHosts: 1, publicUrl: 'http://cloud.test', adminPassword: 'secret-1' },
    )
    const db = openDatabase(url, log, { connections: 3 })
    const app = makeApp(db, settings, log)
    await app.prepare()
    ends.defer(async () => {
      await app.close()
      await stopCluster(join(dir!, 'postgres'))
    })
    const identity = {
      methods: ['password'],
      password: { user: { name: 'admin', domain: { id: 'default' }, password: 'secret-1' } },
    }
    const scope = { project: { name: 'admin', domain: { id: 'default' } } }
    const signedIn = await app.server.inject({
      ...{ method: 'POST', url: '/identity/v3/auth/tokens', payload: { auth: { identity, scope } } },
    })
    const headers = {
      'x-auth-token': String(signedIn.headers['x-subject-token']),
      'content-type': 'application/octet-stream',
    }
    const box = `/object-store/v1/AUTH_${signedIn.json().token.project.id}/box`
    const ask = (method: 'GET' | 'PUT' | 'DELETE', name = '', payload?: Buffer) =>
      app.server.inject({ method, url: `${box}${name}`, headers, ...(payload && { payload }) })
    assert.equal((await ask('PUT')).statusCode, 201)
    const held = new Map<string, Buffer>()
    const put = async (name: string) => {
      const body = randomBytes(12_000)
      const { statusCode } = await ask('PUT', name, body)
      if (statusCode === 201) held.set(name, body)
      return statusCode
    }
    const allThere = async () => {
      for (const [name, body] of held) assert.ok((await ask('GET', name)).rawPayload.equals(body), name)
      assert.deepEqual(
        (await ask('GET')).body
          .split('\n')
          .slice(0, -1)
          .map((name) => `/${name}`),
        [...held.keys()].toSorted(),
      )
    }
    for (let n = 0; n < 20; n++) assert.equal(await put(`/before-${n}`), 201)

    let giveBack = fill(dir!)
    const said: number[] = []
    // what room the tables have inside is used up first
    for (let n = 0; said.at(-1) !== 507 && n < 2000; n++) said.push(await put(`/full-${n}`))
    assert.deepEqual(
      [...new Set(said)].toSorted((a, b) => a - b),
      said.length === 1 ? [507] : [201, 507],
    )
    await allThere()
    giveBack()
    assert.equal(await put('/again'), 201)
    await allThere()

    // without room for its log PostgreSQL ends, and cannot come back
    giveBack = fill(dir!)
    await db.transaction((tx) => tx.rows(sql`select pg_switch_wal()`)).catch(() => {})
    const dying: number[] = []
    for (let n = 0; dying.at(-1) !== 503 && n < 2000; n++) dying.push(await put(`/dying-${n}`))
    assert.equal(dying.at(-1), 503)
    giveBack()
    await startCluster(join(dir!, 'postgres'), { throwAway: true })
    assert.equal(await put('/after'), 201)
    await allThere()
  })
})
