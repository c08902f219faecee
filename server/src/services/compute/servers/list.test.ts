import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, makeServer } from '../testing/compute.ts'

test('lists page, sort and filter', async (t) => {
  const cloud = await computeCloud(t)
  const ids: string[] = []
  for (const name of ['alpha', 'beta', 'gamma']) ids.push(await makeServer(cloud, { name }))
  const member = cloud.as('member').version('compute 2.83')
  const names = async (query: string, status = 200) => {
    const answer = await member.get(`/compute/v2.1/servers/detail?${query}`)
    assert.equal(answer.status, status, answer.text)
    return answer.json.servers?.map((each: { name: string }) => each.name)
  }
  assert.deepEqual(await names(''), ['gamma', 'beta', 'alpha'])
  assert.deepEqual(await names('sort_key=display_name&sort_dir=asc'), ['alpha', 'beta', 'gamma'])
  assert.deepEqual(await names('name=^.a'), ['gamma'])
  assert.deepEqual(await names('status=active&limit=2'), ['gamma', 'beta'])
  assert.deepEqual(await names('status=SHUTOFF'), [])
  assert.deepEqual(await names('status=nonsense'), [])
  assert.deepEqual(await names(`marker=${ids[1]}`), ['alpha'])
  const { servers } = (await member.get('/compute/v2.1/servers/detail')).json
  const [{ addr }] = servers[0].addresses.private
  await names(`ip=${encodeURIComponent('^(.?){999}$')}`, 400)
  assert.deepEqual(await names(`ip=${addr.replaceAll('.', '\\.')}$`), ['gamma'])
  assert.deepEqual(await names('changes-since=2099-01-01T00:00:00Z'), [])
  await names('name=*', 400)
  await names('limit=-1', 400)
  await names('marker=00000000-0000-0000-0000-000000000000', 400)
  await names('sort_key=nonsense', 400)
  await names('colour=red', 400)
  await names('all_tenants=1', 403)
  const next = (await member.get('/compute/v2.1/servers?limit=1')).json.servers_links[0].href
  assert.match(next, /limit=1&marker=/)
  assert.deepEqual((await cloud.as('other').get('/compute/v2.1/servers')).json.servers, [])
  assert.equal((await cloud.as('admin').get('/compute/v2.1/servers?all_tenants=1')).json.servers.length, 3)
})

test('metadata and tags', async (t) => {
  const cloud = await computeCloud(t)
  const id = await makeServer(cloud, { metadata: { a: '1' } })
  const member = cloud.as('member').version('compute 2.96')
  const at = `/compute/v2.1/servers/${id}`
  assert.deepEqual((await member.post(`${at}/metadata`, { metadata: { b: '2' } })).json.metadata, { a: '1', b: '2' })
  assert.deepEqual((await member.put(`${at}/metadata`, { metadata: { c: '3' } })).json.metadata, { c: '3' })
  assert.deepEqual((await member.put(`${at}/metadata/d`, { meta: { d: '4' } })).json.meta, { d: '4' })
  assert.equal((await member.put(`${at}/metadata/d`, { meta: { e: '4' } })).status, 400)
  assert.equal((await member.delete(`${at}/metadata/c`)).status, 204)
  assert.equal((await member.get(`${at}/metadata/c`)).status, 404)
  assert.equal((await member.put(`${at}/tags/red`)).status, 201)
  assert.equal((await member.put(`${at}/tags/red`)).status, 204)
  assert.deepEqual((await member.put(`${at}/tags`, { tags: ['x', 'y'] })).json.tags, ['x', 'y'])
  assert.equal((await member.get('/compute/v2.1/servers?tags=x,y')).json.servers.length, 1)
  assert.equal((await member.get('/compute/v2.1/servers?not-tags-any=x')).json.servers.length, 0)
  assert.equal((await member.get(`${at}/tags/z`)).status, 404)
  assert.equal((await cloud.as('member').version('compute 2.25').get(`${at}/tags`)).status, 404)
})
