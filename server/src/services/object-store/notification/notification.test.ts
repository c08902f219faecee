import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { json } from 'node:stream/consumers'
import { sql } from '#lib/db.ts'
import { s3Cloud } from '../s3/testing.ts'
import { isEventPattern, targetsOf } from './rules.ts'

interface Told {
  eventName: string
  key: string
}

async function listeningBucket(t: TestContext) {
  const told: Told[] = []
  let status = 200
  const server = createServer((req, res) => {
    void (async () => {
      const { Records } = (await json(req)) as { Records: { eventName: string; s3: { object: { key: string } } }[] }
      if (status === 200) told.push(...Records.map(({ eventName, s3 }) => ({ eventName, key: s3.object.key })))
      res.writeHead(status).end()
    })()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const { cloud, s3 } = await s3Cloud(t, { webhookHosts: '127.0.0.1' })
  const member = await s3('member')
  await member.call('PUT', '/box')
  const configure = (inside: string, topic = `arn:pileus:webhook:::${url}`) =>
    member.call('PUT', '/box', {
      query: { notification: '' },
      body: `<NotificationConfiguration><TopicConfiguration><Id>t</Id><Topic>${topic}</Topic>${inside}</TopicConfiguration><EventBridgeConfiguration/></NotificationConfiguration>`,
    })
  return { cloud, member, told, configure, fail: (code: number) => (status = code) }
}

test('a webhook is told what happens to the objects that it asked about, and the outbox of all', async (t) => {
  const { cloud, member, told, configure } = await listeningBucket(t)
  const filter = '<Filter><S3Key><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter>'
  const put = await configure(`<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:Delete</Event>${filter}`)
  assert.equal(put.status, 200, put.text)
  const shown = await member.call('GET', '/box', { query: { notification: '' } })
  assert.deepEqual([shown.all('Event').length, shown.the('Value')], [2, '.jpg'])
  await member.call('PUT', '/box/a b.jpg', { body: 'x' })
  await member.call('PUT', '/box/c.txt', { body: 'x' })
  await member.call('PUT', '/box/copy.jpg', { headers: { 'x-amz-copy-source': '/box/c.txt' } })
  await member.call('DELETE', '/box/copy.jpg')
  assert.equal(told.length, 0)
  await cloud.runTasks()
  const said = told.map(({ eventName, key }) => `${eventName} ${key}`).toSorted()
  assert.deepEqual(said, ['ObjectCreated:Copy copy.jpg', 'ObjectCreated:Put a+b.jpg', 'ObjectRemoved:Delete copy.jpg'])
  const events = await cloud.db.rows<{ type: string }>(
    sql`select type from event where type like 'object.%' order by id`,
  )
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      'object.ObjectCreated:Put',
      'object.ObjectCreated:Put',
      'object.ObjectCreated:Copy',
      'object.ObjectRemoved:Delete',
    ],
  )
})

test('what Swift writes is told as well; a receiver that fails is told again', async (t) => {
  const { cloud, told, configure, fail } = await listeningBucket(t)
  await configure('<Event>s3:ObjectCreated:Put</Event>')
  await cloud.as('member').put(`/object-store/v1/AUTH_${cloud.as('member').projectId}/box/s`, undefined, { raw: 'x' })
  fail(503)
  await assert.rejects(cloud.runTasks(), /do not come to an end/)
  fail(200)
  await cloud.runTasks()
  assert.deepEqual(told, [{ eventName: 'ObjectCreated:Put', key: 's' }])
})

test('a destination that is none, or is in this network, is refused', async (t) => {
  const { configure } = await listeningBucket(t)
  for (const topic of [
    'arn:aws:sns:eu:1:topic',
    'arn:pileus:webhook:::http://10.0.0.1/',
    'arn:pileus:webhook:::nothing',
  ])
    assert.equal((await configure('<Event>s3:ObjectCreated:*</Event>', topic)).the('Code'), 'InvalidArgument', topic)
  assert.equal((await configure('<Event>s3:Explosion:*</Event>')).the('Code'), 'InvalidArgument')
})

test('patterns of events', () => {
  assert.deepEqual(
    ['s3:ObjectCreated:*', 's3:ObjectCreated:Put', 's3:Object*', 's3:ObjectCreated'].map(isEventPattern),
    [true, true, false, false],
  )
  const notification = { targets: [{ id: 'a', url: 'x', events: ['ObjectCreated:*'], prefix: 'p' }] }
  assert.equal(targetsOf(notification, 'ObjectCreated:Copy', 'px').length, 1)
  assert.equal(targetsOf(notification, 'ObjectCreated:Copy', 'x').length, 0)
  assert.equal(targetsOf(notification, 'ObjectRemoved:Delete', 'px').length, 0)
})
