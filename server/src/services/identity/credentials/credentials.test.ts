import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, teamProject, withToken } from '../testing.ts'

test('credentials are kept sealed and shown to their owner only', async (t) => {
  const cloud = await testCloud(t)
  const { userId, token } = cloud.as('member')
  const member = withToken(cloud, token)
  const blob = 'a very secret seed'
  const credential = await made(member.post('/credentials', { credential: { type: 'totp', blob, user_id: userId } }))
  assert.equal((await member.get(`/credentials/${credential.id}`)).json.credential.blob, blob)
  const [row] = await cloud.db.rows<{ found: boolean }>(
    sql`select position(${blob}::bytea in blob) > 0 as found from credential`,
  )
  assert.equal(row!.found, false)
  const other = withToken(cloud, cloud.as('other').token)
  assert.equal((await other.get(`/credentials/${credential.id}`)).status, 403)
  assert.equal((await other.get('/credentials')).json.credentials.length, 0)
  assert.equal((await other.post('/credentials', { credential: { type: 'cert', blob, user_id: userId } })).status, 403)
  assert.equal((await member.patch(`/credentials/${credential.id}`, { credential: { user_id: 'x' } })).status, 403)
  const changed = await member.patch(`/credentials/${credential.id}`, { credential: { blob: 'next' } })
  assert.equal(changed.json.credential.blob, 'next')
  assert.equal((await asAdmin(cloud).get(`/credentials?user_id=${userId}&type=totp`)).json.credentials.length, 1)
  assert.equal((await member.delete(`/credentials/${credential.id}`)).status, 204)
})

test('EC2 keys', async (t) => {
  const cloud = await testCloud(t)
  const { userId, token } = cloud.as('member')
  const member = withToken(cloud, token)
  const path = `/users/${userId}/credentials/OS-EC2`
  const key = await made(member.post(path, { tenant_id: teamProject }))
  const access = String(key['access'])
  assert.equal((await member.get(`${path}/${access}`)).json.credential.secret, key['secret'])
  assert.equal((await member.get(path)).json.credentials.length, 1)
  assert.equal((await member.get('/credentials?type=ec2')).json.credentials.length, 1)
  const other = withToken(cloud, cloud.as('other').token)
  assert.equal((await other.get(`${path}/${access}`)).status, 403)
  // nor by a path that claims it is theirs
  assert.equal((await other.get(`/users/${cloud.as('other').userId}/credentials/OS-EC2/${access}`)).status, 403)
  const reader = withToken(cloud, cloud.as('reader').token)
  const ofReader = `/users/${cloud.as('reader').userId}/credentials/OS-EC2`
  assert.equal((await reader.post(ofReader, { tenant_id: teamProject })).status, 403, 'readers have none')
  assert.equal((await member.post(path, { tenant_id: 'nope' })).status, 404)
  assert.equal((await member.delete(`${path}/${access}`)).status, 204)
  assert.equal((await member.get(`${path}/${access}`)).status, 404)
})
