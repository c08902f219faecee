import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { wayTo } from '#lib/testing/way.ts'
import { accessKeys } from './access-keys.ts'

test('who may not have heard that a key is gone does not take it', { timeout: 60_000 }, async (t) => {
  const cloud = await testCloud(t)
  const way = await wayTo(t, cloud.url)
  const db = openDatabase(way.url, makeLog('test', 'fatal'), { connections: 2 })
  t.after(async () => {
    way.silence(undefined)
    await db.close()
  })
  const keys = accessKeys({ ...cloud.app.world, db })
  const [hears, deaf] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  db.subscribe('identity', () => {}, hears.resolve, deaf.resolve)
  await hears.promise
  const { userId, projectId } = cloud.as('member')
  const path = `/identity/v3/users/${userId}/credentials/OS-EC2`
  const { access } = (await cloud.as('member').post(path, { tenant_id: projectId })).json.credential
  assert.equal((await keys.find(access))?.actor.userId, userId)
  way.silence('pileus-ears')
  await deaf.promise
  assert.equal((await keys.find(access))?.actor.userId, userId)
  assert.equal((await cloud.as('member').delete(`${path}/${access}`)).status, 204)
  assert.equal(await keys.find(access), undefined)
})
