import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eq } from '#lib/db.ts'
import { setQuota } from '#lib/quota.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { objectKey } from '../encryption/model.ts'
import { destroyDueKeys } from '../encryption/project-keys.ts'

const keys = '/object-keys/v1/keys'

test('keys are made, listed, paged, switched off and on, deleted in time, and nobody else sees them', async (t) => {
  const cloud = await testCloud(t)
  const [member, manager, reader, other] = (['member', 'manager', 'reader', 'other'] as const).map((who) =>
    cloud.as(who),
  )
  const made = await member!.post(keys, { key: { name: 'payroll', description: 'of the office' } })
  assert.equal(made.status, 201)
  const { key } = made.json
  assert.deepEqual(
    [key.name, key.purpose, key.state, key.arn],
    ['payroll', 'named', 'enabled', `arn:aws:kms:local:${member!.projectId}:key/${key.id}`],
  )
  assert.equal((await member!.post(keys, { key: { name: 'payroll' } })).status, 409)
  for (const name of ['', 'a b', 'pileus/storage', key.id, 'x'.repeat(251)])
    assert.equal((await member!.post(keys, { key: { name } })).status, 400, name)
  await member!.post(keys, { key: { name: 'second' } })
  const first = await reader!.get(`${keys}?limit=1`)
  assert.deepEqual(
    first.json.keys.map((each: { name: string }) => each.name),
    ['payroll'],
  )
  const next = new URL(first.json.links[0].href)
  const second = await reader!.get(next.pathname + next.search)
  assert.deepEqual(
    second.json.keys.map((each: { name: string }) => each.name),
    ['second'],
  )
  assert.equal(second.json.links, undefined)
  assert.deepEqual((await other!.get(keys)).json.keys, [])

  const one = `${keys}/${key.id}`
  assert.deepEqual((await reader!.get(one)).json.key.id, key.id)
  assert.equal((await other!.get(one)).status, 404)
  assert.equal((await other!.delete(one)).status, 404)
  assert.equal((await reader!.post(keys, { key: { name: 'no' } })).status, 403)
  assert.equal((await member!.patch(one, { key: { enabled: false } })).status, 403)
  assert.equal((await manager!.patch(one, { key: {} })).status, 400)
  assert.equal((await manager!.patch(one, { key: { enabled: false } })).json.key.state, 'disabled')
  assert.equal((await manager!.patch(one, { key: { enabled: true, description: 'x' } })).json.key.state, 'enabled')

  for (const days of ['6', '31', 'soon']) assert.equal((await manager!.delete(`${one}?days=${days}`)).status, 400)
  const going = await manager!.delete(`${one}?days=7`)
  assert.deepEqual([going.status, going.json.key.state], [202, 'pending_deletion'])
  assert.equal((await manager!.delete(one)).status, 409)
  assert.equal((await manager!.post(`${one}/restore`)).json.key.state, 'enabled')
  assert.equal((await manager!.post(`${one}/restore`)).status, 409)
  await manager!.delete(one)
  assert.equal((await destroyDueKeys(cloud.db)).length, 0)
  await cloud.db.transaction((tx) =>
    tx
      .update(objectKey)
      .set({ deleteAt: new Date(0) })
      .where(eq(objectKey.id, key.id)),
  )
  assert.equal((await destroyDueKeys(cloud.db)).length, 1)
  assert.equal((await reader!.get(one)).status, 404)
})

test('a project makes no more keys than its quota has room for; the key of the deployment is not for its manager', async (t) => {
  const cloud = await testCloud(t, { objectEncryption: 'all' })
  const [member, manager, admin] = [cloud.as('member'), cloud.as('manager'), cloud.as('admin')]
  const box = `/object-store/v1/AUTH_${member.projectId}/box`
  await member.put(box)
  await member.put(`${box}/o`, undefined, { raw: 'encrypted' })
  const scope = { service: 'object-keys', region: 'local', projectId: member.projectId }
  await cloud.db.transaction((tx) => setQuota(tx, scope, { keys: 1 }))
  assert.equal((await member.post(keys, { key: { name: 'a' } })).status, 201)
  assert.equal((await member.post(keys, { key: { name: 'b' } })).status, 413)
  const listed = (await manager.get(keys)).json.keys as { id: string; purpose: string }[]
  const storage = `${keys}/${listed.find(({ purpose }) => purpose === 'storage')!.id}`
  assert.equal((await manager.delete(storage)).status, 403)
  assert.equal((await manager.patch(storage, { key: { enabled: false } })).status, 403)
  assert.equal((await admin.patch(storage, { key: { enabled: false } })).status, 200)
  const refused = await member.get(`${box}/o`)
  assert.deepEqual([refused.status, /is disabled/.test(refused.text)], [400, true])
  await admin.patch(storage, { key: { enabled: true } })
  assert.equal((await member.get(`${box}/o`)).text, 'encrypted')
})
