import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type TestClient, testCloud } from '#lib/testing/cloud.ts'

const v2 = '/image/v2'
const patchType = { 'content-type': 'application/openstack-images-v2.1-json-patch' }

function dataDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-images-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const cloudWithDisk = (t: TestContext) => testCloud(t, { data: dataDir(t) })

async function create(as: TestClient, more: object = {}): Promise<string> {
  const made = await as.post(`${v2}/images`, { name: 'tiny', disk_format: 'raw', container_format: 'bare', ...more })
  assert.equal(made.status, 201, made.text)
  return made.json.id as string
}
const upload = (as: TestClient, id: string, bytes: Buffer) =>
  as.put(`${v2}/images/${id}/file`, undefined, { raw: bytes })

/** A qcow2 header with what matters: version 3, the backing file's offset, the feature bits. */
function qcow2(backing: bigint, incompatible: bigint): Buffer {
  const head = Buffer.alloc(512)
  head.write('QFI\xfb', 0, 'latin1')
  head.writeUInt32BE(3, 4)
  head.writeBigUInt64BE(backing, 8)
  head.writeBigUInt64BE(1n << 26n, 24)
  head.writeBigUInt64BE(incompatible, 72)
  return head
}

test('an image is made, filled, read back, and gone with its file', async (t) => {
  const data = dataDir(t)
  const cloud = await testCloud(t, { data })
  const member = cloud.as('member')
  const id = await create(member, { tags: ['a'], os_distro: 'debian' })
  const bytes = Buffer.from('x'.repeat(100_000))
  assert.equal((await upload(member, id, bytes)).status, 204)
  const { json } = await member.get(`${v2}/images/${id}`)
  assert.deepEqual(
    [json.status, json.size, json.checksum, json.os_hash_value, json.os_distro, json.tags],
    [
      'active',
      100_000,
      createHash('md5').update(bytes).digest('hex'),
      createHash('sha512').update(bytes).digest('hex'),
      'debian',
      ['a'],
    ],
  )
  const whole = await member.get(`${v2}/images/${id}/file`)
  assert.deepEqual([whole.status, whole.text.length, whole.headers['content-md5']], [200, 100_000, json.checksum])
  const part = await member.get(`${v2}/images/${id}/file`, { headers: { range: 'bytes=10-19' } })
  assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, 'x'.repeat(10), 'bytes 10-19/100000'])
  assert.equal((await upload(member, id, bytes)).status, 409)
  assert.equal((await member.delete(`${v2}/images/${id}`)).status, 204)
  assert.equal((await member.get(`${v2}/images/${id}`)).status, 404)
  await cloud.runTasks()
  assert.deepEqual(readdirSync(join(data, 'images')), [])
})

test('what an image is declared as and what it is must agree, and nothing stays of one that is refused', async (t) => {
  const data = dataDir(t)
  const cloud = await testCloud(t, { data })
  const member = cloud.as('member')
  for (const [format, bytes, word] of [
    ['qcow2', qcow2(4096n, 0n), /backing file/],
    ['qcow2', qcow2(0n, 4n), /external data file/],
    ['raw', qcow2(0n, 0n), /declared as raw/],
    ['vmdk', Buffer.from('# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0\n'), /VMDK descriptor/],
  ] as const) {
    const id = await create(member, { disk_format: format })
    const answer = await upload(member, id, bytes)
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.json.message, word)
    assert.equal((await member.get(`${v2}/images/${id}`)).json.status, 'queued')
  }
  assert.deepEqual(readdirSync(join(data, 'images')), [])
})

test('bad input is refused with a sentence', async (t) => {
  const cloud = await cloudWithDisk(t)
  const member = cloud.as('member')
  for (const body of [
    { disk_format: 'floppy' },
    { min_disk: -1 },
    { name: 'x'.repeat(256) },
    { visibility: 'secret' },
    { prop: 3 },
    { tags: 'a' },
    [],
    { id: 'no' },
  ]) {
    const answer = await member.post(`${v2}/images`, body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.ok(answer.json.message.length > 10)
  }
  for (const body of [{ visibility: 'public' }, { owner: 'somebody' }, { size: 'x' }, { os_glance_x: 'y' }])
    assert.equal((await member.post(`${v2}/images`, body)).status, 403, JSON.stringify(body))
  assert.equal(
    (
      await member.post(`${v2}/images`, undefined, {
        raw: '{"name": "\xff',
        headers: { 'content-type': 'application/json' },
      })
    ).status,
    400,
  )
  assert.equal((await member.get(`${v2}/images/not-an-id`)).status, 404)
  assert.equal((await member.get(`${v2}/images?marker=not-an-id`)).status, 400)
  assert.equal((await member.get(`${v2}/images?limit=-1`)).status, 400)
  assert.equal((await member.get(`${v2}/images?sort_key=nope`)).status, 400)
})

test('others see only what is public, community, or shared with them', async (t) => {
  const cloud = await cloudWithDisk(t)
  const [admin, member, other] = [cloud.as('admin'), cloud.as('member'), cloud.as('other')]
  const shared = await create(member, { name: 'shared' })
  await create(member, { name: 'mine', visibility: 'private' })
  await create(admin, { name: 'everyones', visibility: 'public' })
  const community = await create(member, { name: 'community', visibility: 'community' })
  const names = async (query = '') =>
    (await other.get(`${v2}/images${query}`)).json.images.map((i: { name: string }) => i.name).toSorted()
  assert.deepEqual(await names(), ['everyones'])
  assert.equal((await other.get(`${v2}/images/${shared}`)).status, 404)
  assert.equal((await other.get(`${v2}/images/${community}`)).status, 200)
  assert.equal((await other.delete(`${v2}/images/${community}`)).status, 403)
  assert.equal((await member.post(`${v2}/images/${shared}/members`, { member: other.projectId })).status, 200)
  assert.equal((await other.get(`${v2}/images/${shared}`)).status, 200)
  assert.deepEqual(await names(), ['everyones'])
  assert.equal(
    (await member.put(`${v2}/images/${shared}/members/${other.projectId}`, { status: 'accepted' })).status,
    403,
  )
  assert.equal(
    (await other.put(`${v2}/images/${shared}/members/${other.projectId}`, { status: 'accepted' })).status,
    200,
  )
  assert.deepEqual(await names(), ['everyones', 'shared'])
  assert.deepEqual(await names('?visibility=shared'), ['shared'])
  assert.equal((await cloud.as('stranger').get(`${v2}/images`)).status, 401)
  assert.equal((await cloud.as('reader').post(`${v2}/images`, {})).status, 403)
})

test('a patch adds, replaces and removes; protected images stay', async (t) => {
  const cloud = await cloudWithDisk(t)
  const member = cloud.as('member')
  const id = await create(member)
  const patch = (operations: object[]) => member.patch(`${v2}/images/${id}`, operations, { headers: patchType })
  const changed = await patch([
    { op: 'replace', path: '/name', value: 'new' },
    { op: 'add', path: '/a~1b', value: 'c' },
    { op: 'replace', path: '/protected', value: true },
  ])
  assert.deepEqual(
    [changed.status, changed.json.name, changed.json['a/b'], changed.json.protected],
    [200, 'new', 'c', true],
  )
  assert.equal((await member.delete(`${v2}/images/${id}`)).status, 403)
  assert.equal((await patch([{ op: 'remove', path: '/a~1b' }])).json['a/b'], undefined)
  assert.equal((await patch([{ op: 'remove', path: '/nothing' }])).status, 409)
  assert.equal((await patch([{ op: 'replace', path: '/size', value: 1 }])).status, 403)
  assert.equal((await patch([{ op: 'replace', path: '/min_ram', value: 'much' }])).status, 400)
  assert.equal((await member.patch(`${v2}/images/${id}`, [])).status, 415)
})

test('lists are paged and filtered', async (t) => {
  const cloud = await cloudWithDisk(t)
  const member = cloud.as('member')
  for (const name of ['c', 'a', 'b'])
    await create(member, { name, tags: [`t-${name}`], min_ram: name === 'a' ? 512 : 0 })
  const names = async (query: string) => {
    const answer = await member.get(`${v2}/images?${query}`)
    assert.equal(answer.status, 200, answer.text)
    return answer.json.images.map((i: { name: string }) => i.name)
  }
  assert.deepEqual(await names('sort=name:asc'), ['a', 'b', 'c'])
  assert.deepEqual(await names('sort_key=name&sort_dir=desc'), ['c', 'b', 'a'])
  assert.deepEqual(await names('tag=t-b'), ['b'])
  assert.deepEqual(await names('min_ram=512'), ['a'])
  assert.deepEqual(await names('size=7'), [])
  for (const column of ['size', 'disk_format', 'updated_at', 'status'])
    assert.equal((await names(`sort=${column}:desc&limit=2`)).length, 2)
  const bySize = await member.get(`${v2}/images?sort=size:asc&limit=2`)
  assert.equal((await member.get(`/image${bySize.json.next}`)).json.images.length, 1)
  assert.deepEqual(await names('name=in:a,b&sort=name'), ['a', 'b'])
  const first = await member.get(`${v2}/images?limit=2&sort=name:asc`)
  assert.equal(first.json.images.length, 2)
  const second = await member.get(`/image${first.json.next}`)
  assert.deepEqual([second.json.images.map((i: { name: string }) => i.name), second.json.next], [['c'], undefined])
})
