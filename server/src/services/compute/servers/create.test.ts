import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, emptyWorld, makeServer, serverBody } from '../testing/compute.ts'

test('a server is accepted, placed, built and then active', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const answer = await member.post('/compute/v2.1/servers', serverBody(cloud))
  assert.equal(answer.status, 202, answer.text)
  const { id } = answer.json.server
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'BUILD')
  await cloud.runTasks()
  const { server } = (await member.get(`/compute/v2.1/servers/${id}`)).json
  assert.equal(server.status, 'ACTIVE', JSON.stringify(server.fault))
  assert.equal(server.addresses.private.length, 1)
  assert.deepEqual(server.security_groups, [{ name: 'default' }])
  assert.equal(server['OS-EXT-SRV-ATTR:host'], undefined)
  assert.equal((await cloud.as('other').get(`/compute/v2.1/servers/${id}`)).status, 404)
})

test('bad input gets a sentence and leaves nothing behind', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member').version('compute 2.96')
  const nowhere = '00000000-0000-0000-0000-000000000000'
  const wrong: [more: Record<string, unknown>, status: number, words: RegExp][] = [
    [{ colour: 'red' }, 400, /unknown field server.colour/],
    [{ name: '' }, 400, /server\.name/],
    [{ name: 'x'.repeat(256) }, 400, /server\.name/],
    [{ name: 7 }, 400, /server\.name/],
    [{ flavorRef: 'none' }, 400, /flavor none could not be found/],
    [{ imageRef: nowhere }, 400, /Can not find requested image/],
    [{ imageRef: '' }, 400, /imageRef/],
    [{ imageRef: 'not-a-uuid' }, 400, /imageRef/],
    [{ networks: undefined }, 400, /networks/],
    [{ networks: [{}] }, 400, /networks/],
    [{ networks: [{ uuid: nowhere }] }, 400, /could not be found/],
    [{ networks: [{ port: nowhere }] }, 400, /could not be found/],
    [{ networks: [{ uuid: cloud.networkId, fixed_ip: '10.77.0.1' }] }, 400, /10\.77\.0\.1/],
    [{ key_name: 'nobody' }, 400, /key_name/],
    [{ user_data: '#!/bin/sh' }, 400, /user_data/],
    [{ user_data: 'A'.repeat(65_536) }, 400, /user_data/],
    [{ metadata: { key: 7 } }, 400, /metadata/],
    [{ metadata: { ['k'.repeat(256)]: 'v' } }, 400, /metadata/],
    [{ tags: ['a,b'] }, 400, /tags/],
    [{ personality: [] }, 400, /personality/],
    [{ min_count: 3, max_count: 2 }, 400, /min_count/],
    [{ min_count: 0 }, 400, /min_count/],
    [{ security_groups: [{ name: 'nobody' }] }, 400, /nobody/],
    [{ availability_zone: 'moon' }, 400, /moon/],
    [{ availability_zone: 'nova:sim-0001' }, 403, /forced_host/],
    [{ host: 'sim-0001' }, 403, /requested_destination/],
    [{ accessIPv4: '10.0.0.300' }, 400, /accessIPv4/],
    [{ block_device_mapping_v2: [{ source_type: 'volume', uuid: nowhere, boot_index: 0 }] }, 400, /no block storage/],
    [{ trusted_image_certificates: ['a'] }, 400, /certificates/],
    [{ min_count: 11 }, 403, /Quota exceeded/],
  ]
  for (const [more, status, words] of wrong) {
    const answer = await member.post('/compute/v2.1/servers', serverBody(cloud, more))
    assert.equal(answer.status, status, `${JSON.stringify(more).slice(0, 100)}: ${answer.text}`)
    const [envelope] = Object.values(answer.json) as { code: number; message: string }[]
    assert.equal(envelope!.code, status)
    assert.match(envelope!.message, words)
  }
  const group = { ...serverBody(cloud), 'os:scheduler_hints': { group: nowhere } }
  assert.equal((await member.post('/compute/v2.1/servers', group)).status, 400)
  const query = { ...serverBody(cloud), 'os:scheduler_hints': { query: '[">=", "$free_ram_mb", 1]' } }
  assert.equal((await member.post('/compute/v2.1/servers', query)).status, 400)
  const raw = (body: string | Buffer) =>
    member.post('/compute/v2.1/servers', undefined, { raw: body, headers: { 'content-type': 'application/json' } })
  assert.equal((await raw('{')).status, 400)
  assert.equal((await raw('[]')).status, 400)
  assert.equal((await raw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))).status, 400)
  assert.equal((await raw(`{"server": "${'x'.repeat(2_000_000)}"}`)).status, 413)
  await cloud.runTasks()
  await emptyWorld(cloud)
})

test('old and new versions are told apart', async (t) => {
  const cloud = await computeCloud(t)
  const create = (version: string, more: Record<string, unknown>) =>
    cloud.as('member').version(`compute ${version}`).post('/compute/v2.1/servers', serverBody(cloud, more))
  assert.equal((await create('2.51', { tags: ['a'] })).status, 400)
  assert.equal((await create('2.52', { tags: ['a'] })).status, 202)
  assert.equal((await create('2.18', { description: 'a' })).status, 400)
  assert.equal((await create('2.19', { description: 'a' })).status, 202)
  assert.equal((await create('2.36', { networks: 'none' })).status, 400)
  assert.equal((await create('2.37', { networks: 'none' })).status, 202)
  const file = [{ path: '/etc/motd', contents: 'aGVsbG8=' }]
  assert.equal((await create('2.56', { personality: file })).status, 202)
  assert.equal((await create('2.57', { personality: file })).status, 400)
  assert.equal((await create('2.89', { hostname: 'host' })).status, 400)
  assert.equal((await create('2.90', { hostname: 'host' })).status, 202)
  assert.equal((await create('2.97', {})).status, 406)
})

test('a flavor too big for every host says so in the fault, and goes without a trace', async (t) => {
  const cloud = await computeCloud(t)
  const admin = cloud.as('admin')
  const flavor = { name: 'huge', ram: 2_000_000_000, vcpus: 2, disk: 1, id: 'huge' }
  assert.equal((await admin.post('/compute/v2.1/flavors', { flavor })).status, 200)
  const limits = { quota_set: { ram: -1 } }
  assert.equal((await admin.put(`/compute/v2.1/os-quota-sets/${admin.projectId}`, limits)).status, 200)
  const id = await makeServer(cloud, { flavorRef: 'huge' })
  const { server } = (await cloud.as('member').get(`/compute/v2.1/servers/${id}`)).json
  assert.equal(server.status, 'ERROR')
  assert.match(server.fault.message, /^No valid host was found\. .*MEMORY_MB|memory/i)
  assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
  await cloud.runTasks()
  await emptyWorld(cloud)
})

test('several servers of one request share a reservation, and an anti-affinity group spreads them', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member').version('compute 2.64')
  const group = { server_group: { name: 'apart', policy: 'anti-affinity' } }
  const { server_group: made } = (await member.post('/compute/v2.1/os-server-groups', group)).json
  const many = serverBody(cloud, { min_count: 3, max_count: 3, return_reservation_id: true })
  const answer = await member.post('/compute/v2.1/servers', { ...many, 'os:scheduler_hints': { group: made.id } })
  assert.equal(answer.status, 202, answer.text)
  await cloud.runTasks()
  const list = await cloud
    .as('admin')
    .get(`/compute/v2.1/servers/detail?reservation_id=${answer.json.reservation_id}&sort_key=display_name&sort_dir=asc`)
  const { servers } = list.json
  assert.deepEqual(
    servers.map((each: { name: string }) => each.name),
    ['web-1', 'web-2', 'web-3'],
  )
  assert.equal(new Set(servers.map((each: Record<string, string>) => each['OS-EXT-SRV-ATTR:host'])).size, 3)
  const fourth = await member.post('/compute/v2.1/servers', {
    ...serverBody(cloud, { networks: [{ uuid: cloud.networkId }] }),
    'os:scheduler_hints': { group: made.id },
  })
  await cloud.runTasks()
  const { server } = (await member.get(`/compute/v2.1/servers/${fourth.json.server.id}`)).json
  assert.equal(server.status, 'ERROR')
})

test('zones, named hosts and disabled hosts are honoured', async (t) => {
  const cloud = await computeCloud(t)
  const admin = cloud.as('admin').version('compute 2.96')
  const { aggregate } = (
    await admin.post('/compute/v2.1/os-aggregates', { aggregate: { name: 'east', availability_zone: 'east' } })
  ).json
  const add = await admin.post(`/compute/v2.1/os-aggregates/${aggregate.id}/action`, { add_host: { host: 'sim-0002' } })
  assert.equal(add.status, 200, add.text)
  const hostOf = async (id: string) => {
    const { server } = (await admin.get(`/compute/v2.1/servers/${id}`)).json
    return [server['OS-EXT-SRV-ATTR:host'], server['OS-EXT-AZ:availability_zone'], server.status]
  }
  assert.deepEqual(await hostOf(await makeServer(cloud, { availability_zone: 'east' })), ['sim-0002', 'east', 'ACTIVE'])
  const { services } = (await admin.get('/compute/v2.1/os-services')).json
  const first = services.find((each: { host: string }) => each.host === 'sim-0001')
  const off = { status: 'disabled', disabled_reason: 'being cleaned' }
  assert.equal((await admin.put(`/compute/v2.1/os-services/${first.id}`, off)).status, 200)
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await hostOf(await makeServer(cloud, { availability_zone: 'nova' })), [
      'sim-0003',
      'nova',
      'ACTIVE',
    ])
  const named = { ...serverBody(cloud, { host: 'sim-0002' }) }
  const answer = await admin.post('/compute/v2.1/servers', named)
  assert.equal(answer.status, 202, answer.text)
  await cloud.runTasks()
  assert.equal((await hostOf(answer.json.server.id))[0], 'sim-0002')
})
