import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

const networks = '/network/v2.0/networks'

test('a network is made, shown, changed and deleted', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const made = await member.post(networks, { network: { name: 'blue', description: 'd', admin_state_up: true } })
  assert.equal(made.status, 201, made.text)
  const { id, mtu, shared, status, subnets, project_id: projectId } = made.json.network
  assert.deepEqual([mtu, shared, status, subnets, projectId], [1450, false, 'ACTIVE', [], member.projectId])
  assert.equal('provider:network_type' in made.json.network, false, 'only administrators see the segment')
  const seen = await cloud.as('admin').get(`${networks}/${id}`)
  assert.equal(seen.json.network['provider:network_type'], 'vxlan')
  assert.ok(seen.json.network['provider:segmentation_id'] > 0)
  const changed = await member.put(`${networks}/${id}`, { network: { name: 'red' } })
  assert.deepEqual([changed.json.network.name, changed.json.network.revision_number], ['red', 2])
  const stale = await member.put(
    `${networks}/${id}`,
    { network: { name: 'x' } },
    { headers: { 'if-match': 'revision_number=1' } },
  )
  assert.equal(stale.status, 412, stale.text)
  assert.equal((await member.delete(`${networks}/${id}`)).status, 204)
  const gone = await member.get(`${networks}/${id}`)
  assert.deepEqual([gone.status, gone.json.NeutronError.type], [404, 'NetworkNotFound'])
})

test('strangers do not learn of a network; readers may not change it', async (t) => {
  const cloud = await testCloud(t)
  const { json } = await cloud.as('member').post(networks, { network: { name: 'mine' } })
  const path = `${networks}/${json.network.id}`
  for (const call of [
    cloud.as('other').get(path),
    cloud.as('other').put(path, { network: { name: 'x' } }),
    cloud.as('other').delete(path),
  ])
    assert.equal((await call).status, 404)
  assert.equal((await cloud.as('reader').put(path, { network: { name: 'x' } })).status, 403)
  assert.equal((await cloud.as('reader').post(networks, { network: {} })).status, 403)
  assert.deepEqual((await cloud.as('other').get(networks)).json.networks, [])
  assert.equal((await cloud.as('stranger').get(networks)).status, 401)
})

test('only administrators share, name segments, or make external networks', async (t) => {
  const cloud = await testCloud(t)
  for (const body of [
    { shared: true },
    { 'router:external': true },
    { 'provider:network_type': 'flat', 'provider:physical_network': 'public' },
    { 'provider:segmentation_id': 7 },
  ])
    assert.equal((await cloud.as('member').post(networks, { network: body })).status, 403, JSON.stringify(body))
  const flat = { 'provider:network_type': 'flat', 'provider:physical_network': 'public', 'router:external': true }
  const made = await cloud.as('admin').post(networks, { network: flat })
  assert.deepEqual([made.status, made.json.network.mtu], [201, 1500])
  assert.equal((await cloud.as('admin').post(networks, { network: flat })).status, 409, 'a flat network is there once')
  assert.equal(
    (await cloud.as('other').get(`${networks}/${made.json.network.id}`)).status,
    200,
    'all see external ones',
  )
  const vni = { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 7 }
  assert.equal((await cloud.as('admin').post(networks, { network: vni })).status, 201)
  assert.equal((await cloud.as('admin').post(networks, { network: vni })).status, 409)
  const bad = await cloud.as('admin').post(networks, { network: { 'provider:network_type': 'vlan' } })
  assert.equal(bad.status, 400)
})

test('many at once, pages in both directions, filters, fields', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const names = ['a', 'b', 'c', 'd', 'e']
  const made = await member.post(networks, { networks: names.map((name) => ({ name })) })
  assert.deepEqual([made.status, made.json.networks.map((each: { name: string }) => each.name)], [201, names])
  const list = async (query: string) => (await member.get(`${networks}?${query}`)).json
  const named = (json: { networks: { name: string }[] }) => json.networks.map(({ name }) => name).join('')
  const firstPage = await list('sort_key=name&sort_dir=asc&limit=2')
  assert.equal(named(firstPage), 'ab')
  const next = new URL(firstPage.networks_links.find((each: { rel: string }) => each.rel === 'next').href)
  const secondPage = await list(next.search.slice(1))
  assert.equal(named(secondPage), 'cd')
  const back = new URL(secondPage.networks_links.find((each: { rel: string }) => each.rel === 'previous').href)
  assert.equal(named(await list(back.search.slice(1))), 'ab')
  assert.equal(named(await list('sort_key=name&sort_dir=desc')), 'edcba')
  assert.equal(named(await list('name=a&name=c&sort_key=name')), 'ac')
  assert.deepEqual(await list('name=a&fields=name&fields=mtu'), { networks: [{ name: 'a', mtu: 1450 }] })
  assert.equal((await member.get(`${networks}?colour=red`)).status, 400)
  assert.equal((await member.get(`${networks}?admin_state_up=maybe`)).status, 400)
  assert.deepEqual((await list('id=not-a-uuid')).networks, [])
})

test('what is wrong is refused with a sentence', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  for (const body of [
    { network: { name: 1 } },
    { network: { colour: 'red' } },
    { network: {}, networks: [{}] },
    {},
    { network: { name: 'x'.repeat(256) } },
    { network: { mtu: 9000 } },
    { network: { project_id: 'somebody' } },
  ]) {
    const answer = await member.post(networks, body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.ok(answer.json.NeutronError.message.length > 10)
  }
  assert.equal((await member.get(`${networks}/nonsense`)).status, 404)
})
