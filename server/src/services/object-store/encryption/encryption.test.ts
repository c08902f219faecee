import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eq, sql } from '#lib/db.ts'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { findContainer } from '../containers.ts'
import { findObject, readBytes } from '../store/read.ts'
import { collectGarbage } from '../sweep.ts'
import { copyBytes } from './copy.ts'
import { objectKey } from './model.ts'
import { destroyDueKeys, ensureProjectKey, keysChanged } from './project-keys.ts'
import type { EncryptionWish } from './sealed.ts'

const projectId = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const account = `/object-store/v1/AUTH_${projectId}`
const box = `${account}/box`
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')
const small = Buffer.from('the quick brown fox jumps over the lazy dog')
const big = Buffer.concat(Array.from({ length: 8000 }, (_, i) => Buffer.from(`line ${i} of a large object\n`)))

async function encrypting(t: TestContext, objectEncryption: 'all' | 'asked' = 'all') {
  const data = await mkdtemp(join(tmpdir(), 'pileus-encrypted-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const cloud = await testCloud(t, { data, objectEncryption })
  await cloud.as('member').put(box)
  return { cloud, member: cloud.as('member'), world: cloud.app.world, data }
}

async function blobs(data: string): Promise<string[]> {
  const files = await readdir(join(data, 'objects'), { recursive: true, withFileTypes: true }).catch(() => [])
  return files.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

async function objectOf(cloud: TestCloud, name: string) {
  const container = await findContainer(cloud.db, { region: 'local', projectId }, 'box')
  return (await findObject(cloud.db, container!.id, name))!
}

test('with encryption of everything, Swift gives back what it was given, by ranges too, and nothing of it is to be seen', async (t) => {
  const { cloud, member, data } = await encrypting(t)
  for (const [name, body] of [
    ['small', small],
    ['big', big],
    ['none', Buffer.alloc(0)],
  ] as const) {
    const put = await member.put(`${box}/${name}`, undefined, { raw: body, headers: { etag: md5(body) } })
    assert.deepEqual([put.status, put.headers['etag']], [201, md5(body)])
    const got = await member.get(`${box}/${name}`)
    assert.deepEqual([got.status, got.headers['etag'], got.text], [200, md5(body), body.toString()])
    assert.equal(got.headers['content-length'], String(body.length))
  }
  for (const range of ['0-0', '65530-65540', '65536-65536', '1000-131071', '-77', '100000-']) {
    const got = await member.get(`${box}/big`, { headers: { range: `bytes=${range}` } })
    const [from, to] = range.startsWith('-') ? [big.length - 77, big.length] : range.split('-').map(Number)
    const end = range.startsWith('-') || range.endsWith('-') ? big.length : to! + 1
    assert.deepEqual([got.status, got.text], [206, big.subarray(from, end).toString()], range)
  }
  const two = await member.get(`${box}/big`, { headers: { range: 'bytes=0-9,65530-65545' } })
  assert.ok(two.text.includes(big.subarray(65_530, 65_546).toString()))
  const [row] = await cloud.db.rows<{ data: Buffer }>(sql`select data from object where name = 'small'`)
  assert.ok(!Buffer.from(row!.data).includes('fox'))
  const [file] = await blobs(data)
  assert.ok(!(await readFile(file!)).includes('large object'))
  // what it holds counts as the client knows it
  const head = await member.head(box)
  assert.equal(head.headers['x-container-bytes-used'], String(small.length + big.length))
})

test('bytes that were changed on the disk or in the row are never given out', async (t) => {
  const { cloud, member, data } = await encrypting(t)
  await member.put(`${box}/big`, undefined, { raw: big })
  await member.put(`${box}/small`, undefined, { raw: small })
  const [file] = await blobs(data)
  const bytes = await readFile(file!)
  // in the third segment; the disk's own blocks are no longer than a segment
  bytes[140_000]! ^= 1
  await writeFile(file!, bytes)
  const good = await member.get(`${box}/big`, { headers: { range: 'bytes=0-65535' } })
  assert.equal(good.text, big.subarray(0, 65_536).toString(), 'a segment that is whole')
  const bad = await member.get(`${box}/big`, { headers: { range: 'bytes=131072-131076' } })
  assert.deepEqual([bad.status, bad.text.includes('line')], [500, false])
  await cloud.db.transaction((tx) =>
    tx.rows(sql`update object set data = set_byte(data, 3, get_byte(data, 3) # 1) where name = 'small'`),
  )
  assert.equal((await member.get(`${box}/small`)).status, 500)
})

test('copies within the deployment share their bytes, between projects too; each project has a key of its own', async (t) => {
  const { cloud, member, data, world } = await encrypting(t)
  const other = cloud.as('other')
  await member.put(`${box}/big`, undefined, { raw: big })
  await member.call('COPY', `${box}/big`, undefined, { headers: { destination: 'box/copy' } })
  assert.equal((await blobs(data)).length, 1)
  const there = `/object-store/v1/AUTH_${other.projectId}/theirs`
  await other.put(there)
  await member.post(box, undefined, { headers: { 'x-container-read': `${other.projectId}:*` } })
  const copied = await other.put(`${there}/copy`, undefined, {
    raw: Buffer.alloc(0),
    headers: { 'x-copy-from': 'box/big', 'x-copy-from-account': `AUTH_${projectId}` },
  })
  assert.equal(copied.status, 201)
  assert.equal((await blobs(data)).length, 1)
  await member.delete(`${box}/big`)
  await member.delete(`${box}/copy`)
  await collectGarbage(world)
  assert.equal((await other.get(`${there}/copy`)).text, big.toString())
  assert.equal((await cloud.db.select().from(objectKey)).length, 2)

  // the key of the first project is destroyed: what it wrote is gone for good, the copy of the other is not
  await member.put(`${box}/mine`, undefined, { raw: small })
  await cloud.db.transaction(async (tx) => {
    await tx
      .update(objectKey)
      .set({ deleteAt: new Date(0) })
      .where(eq(objectKey.projectId, projectId))
    await keysChanged(tx)
  })
  assert.match((await member.get(`${box}/mine`)).text, /to be deleted/)
  assert.equal((await destroyDueKeys(cloud.db)).length, 1)
  const gone = await member.get(`${box}/mine`)
  assert.deepEqual([gone.status, /cannot be read any more/.test(gone.text)], [400, true])
  assert.equal((await other.get(`${there}/copy`)).text, big.toString())
  assert.equal((await member.put(`${box}/new`, undefined, { raw: small })).status, 201, 'with a new key')
  assert.equal((await member.get(`${box}/new`)).text, small.toString())
})

test('what was stored before encryption was switched on stays readable, and is encrypted when it is copied', async (t) => {
  const { cloud, member } = await encrypting(t, 'asked')
  await member.put(`${box}/plain`, undefined, { raw: big })
  assert.equal((await objectOf(cloud, 'plain')).sealed, null)
  await cloud.db.transaction((tx) => tx.rows(sql`update object_container set encryption = '{"mode": "sse-s3"}'`))
  await member.call('COPY', `${box}/plain`, undefined, { headers: { destination: 'box/copy' } })
  const copy = await objectOf(cloud, 'copy')
  assert.equal(copy.sealed?.mode, 'sse-s3')
  assert.notDeepEqual(copy.extents, (await objectOf(cloud, 'plain')).extents)
  for (const name of ['plain', 'copy']) assert.equal((await member.get(`${box}/${name}`)).text, big.toString())
})

test('large objects of encrypted segments, versions and links are read as if they were not', async (t) => {
  const { cloud, member } = await encrypting(t)
  await member.put(`${box}/s1`, undefined, { raw: big })
  await member.put(`${box}/s2`, undefined, { raw: small })
  const manifest = JSON.stringify([{ path: '/box/s1' }, { path: '/box/s2' }])
  await member.put(`${box}/large?multipart-manifest=put`, undefined, { raw: manifest })
  const joint = Buffer.concat([big, small])
  assert.equal((await member.get(`${box}/large`)).text, joint.toString())
  const across = await member.get(`${box}/large`, { headers: { range: `bytes=${big.length - 5}-${big.length + 4}` } })
  assert.equal(across.text, joint.subarray(big.length - 5, big.length + 5).toString())
  await member.call('COPY', `${box}/large`, undefined, { headers: { destination: 'box/whole' } })
  assert.equal((await objectOf(cloud, 'whole')).sealed?.mode, 'sse-s3')
  assert.equal((await member.get(`${box}/whole`)).text, joint.toString())
  await member.post(box, undefined, { headers: { 'x-versions-enabled': 'true' } })
  const first = await member.put(`${box}/v`, undefined, { raw: small })
  await member.put(`${box}/v`, undefined, { raw: big })
  const older = await member.get(`${box}/v?version-id=${first.headers['x-object-version-id']}`)
  assert.equal(older.text, small.toString())
})

test('copies between all ways to encrypt have the same bytes and share them only where they may', async (t) => {
  const { cloud, world, member } = await encrypting(t, 'asked')
  const whose = { region: 'local', projectId }
  const keyId = await cloud.db.transaction((tx) => ensureProjectKey(tx, whose, 'ours', 'named'))
  const [one, two] = [randomBytes(32), randomBytes(32)]
  const wishes: { wish: EncryptionWish; customerKey?: Buffer }[] = [
    { wish: { mode: 'none' } },
    { wish: { mode: 'sse-s3' } },
    { wish: { mode: 'sse-kms' } },
    { wish: { mode: 'sse-kms', keyId: 'ours', context: { for: 'test' } } },
    { wish: { mode: 'sse-c', customerKey: one }, customerKey: one },
    { wish: { mode: 'sse-c', customerKey: two }, customerKey: two },
  ]
  for (const body of [small, big]) {
    await member.put(`${box}/o`, undefined, { raw: body })
    const plain = await objectOf(cloud, 'o')
    for (const [i, from] of wishes.entries()) {
      const source = { ...plain, ...(await copyBytes(world, plain, { whose, wish: from.wish })).bytes }
      if (from.wish.mode === 'sse-kms' || from.wish.mode === 'sse-c') assert.notEqual(source.etag, md5(body))
      for (const [j, to] of wishes.entries()) {
        const { bytes, shared } = await copyBytes(world, source, {
          whose,
          wish: to.wish,
          customerKey: from.customerKey,
        })
        const may = i === j && to.wish.mode !== 'sse-c' && body === big
        assert.equal(shared, may, `${from.wish.mode} to ${to.wish.mode}`)
        const read = await readBytes(world, { ...plain, ...bytes }, 0, body.length - 1, to.customerKey)
        assert.ok(body.equals(Buffer.isBuffer(read) ? read : await allOf(read)))
        if (bytes.sealed?.mode === 'sse-kms' && j === 3) assert.equal(bytes.sealed.keyId, keyId)
      }
    }
  }
})

test('who has no key of the customer, or another one, reads nothing; nor does a context or key that was changed', async (t) => {
  const { cloud, world, member } = await encrypting(t, 'asked')
  const whose = { region: 'local', projectId }
  await member.put(`${box}/o`, undefined, { raw: big })
  const plain = await objectOf(cloud, 'o')
  const customerKey = randomBytes(32)
  const wish = { mode: 'sse-c', customerKey } as const
  const object = { ...plain, ...(await copyBytes(world, plain, { whose, wish })).bytes }
  assert.ok(!JSON.stringify(object.sealed).includes(customerKey.toString('base64')))
  await assert.rejects(readBytes(world, object, 0, 9), { kind: 'invalid', code: 'InvalidRequest' })
  await assert.rejects(readBytes(world, object, 0, 9, randomBytes(32)), { kind: 'forbidden', code: 'AccessDenied' })
  await assert.rejects(readBytes(world, { ...object, size: 0 }, 0, -1, randomBytes(32)), { code: 'AccessDenied' })
  const kms = { mode: 'sse-kms', context: { a: '1', b: '2' } } as const
  const other = { ...plain, ...(await copyBytes(world, plain, { whose, wish: kms })).bytes }
  await assert.rejects(readBytes(world, other, 0, 9, customerKey), { kind: 'invalid', code: 'InvalidRequest' })
  assert.ok(other.sealed?.mode === 'sse-kms')
  await readBytes(world, { ...other, sealed: { ...other.sealed, context: { b: '2', a: '1' } } }, 0, 9)
  const changed = { ...other, sealed: { ...other.sealed, context: { a: '1', b: '3' } } }
  await assert.rejects(readBytes(world, changed, 0, 9), { name: 'Tampered' })
  for (const named of ['nobody', 'pileus/storage', `arn:aws:kms:local:${'b'.repeat(32)}:key/${other.sealed.keyId}`]) {
    const asked = copyBytes(world, plain, { whose, wish: { mode: 'sse-kms', keyId: named } })
    await assert.rejects(asked, { code: 'KMS.NotFoundException' })
  }
  await cloud.db.transaction(async (tx) => {
    await tx.update(objectKey).set({ enabled: false }).where(eq(objectKey.purpose, 'default'))
    await keysChanged(tx)
  })
  await assert.rejects(readBytes(world, other, 0, 9), { code: 'KMS.DisabledException' })
})
