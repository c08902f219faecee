import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { type TestClient, testCloud } from '#lib/testing/cloud.ts'
import { asService } from '#lib/testing/service.ts'
import { ensureHosts, place, release } from '#placement'

const region = 'local'

async function admin(t: TestContext, version = '1.39') {
  // no hosts of the simulated cloud: each test makes the providers that it counts
  const cloud = await testCloud(t, { simHosts: 0 })
  const client = cloud.as('admin')
  return {
    cloud,
    at: (other: string) => client.version(`placement ${other}`),
    api: client.version(`placement ${version}`),
  }
}

async function makeProvider(api: TestClient, name: string, more: object = {}): Promise<string> {
  const { status, json } = await api.post('/placement/resource_providers', { name, ...more })
  assert.equal(status, 200)
  return json.uuid
}
async function stock(api: TestClient, id: string, totals: Record<string, number>): Promise<void> {
  const { json } = await api.get(`/placement/resource_providers/${id}`)
  const inventories = Object.fromEntries(Object.entries(totals).map(([name, total]) => [name, { total }]))
  const put = await api.put(`/placement/resource_providers/${id}/inventories`, {
    resource_provider_generation: json.generation,
    inventories,
  })
  assert.equal(put.status, 200)
}
const owner = { project_id: 'p', user_id: 'u', consumer_type: 'INSTANCE' }

test('the versions are told to anyone, and an unknown one is refused with the range', async (t) => {
  const { cloud, at } = await admin(t)
  const { status, json } = await cloud.as('stranger').get('/placement/')
  assert.equal(status, 200)
  assert.deepEqual(
    [json.versions[0].id, json.versions[0].min_version, json.versions[0].max_version],
    ['v1.0', '1.0', '1.39'],
  )
  const refused = await at('1.40').get('/placement/resource_providers')
  assert.equal(refused.status, 406)
  assert.equal(refused.json.errors[0].max_version, '1.39')
  const old = await at('1.5').get('/placement/traits')
  assert.equal(old.status, 404)
  assert.equal((await at('1.6').get('/placement/traits')).headers['openstack-api-version'], 'placement 1.6')
})

test('only administrators and services may look, but a project sees what it uses', async (t) => {
  const { cloud, api } = await admin(t)
  const member = cloud.as('member').version('placement 1.39')
  const { status, json } = await member.get('/placement/resource_providers')
  assert.equal(status, 403)
  assert.equal(json.errors[0].status, 403)
  assert.match(json.errors[0].request_id, /^req-/)
  assert.equal((await member.get(`/placement/usages?project_id=${member.projectId}`)).status, 200)
  assert.equal((await member.get('/placement/usages?project_id=another')).status, 403)
  assert.equal((await cloud.as('stranger').get('/placement/resource_providers')).status, 401)
  assert.equal((await api.get('/placement/resource_providers')).status, 200)
})

test('a provider is made, shown, renamed and removed; its fields come with the versions', async (t) => {
  const { api, at } = await admin(t)
  const made = await at('1.0').post('/placement/resource_providers', { name: 'one' })
  assert.equal(made.status, 201)
  assert.equal(made.text, '')
  const location = made.headers['location']!
  const id = location.split('/').at(-1)!
  const oldest = await at('1.0').get(`/placement/resource_providers/${id}`)
  assert.deepEqual(Object.keys(oldest.json), ['uuid', 'name', 'generation', 'links'])
  assert.equal(oldest.headers['last-modified'], undefined)
  const newest = await api.get(`/placement/resource_providers/${id}`)
  assert.deepEqual([newest.json.parent_provider_uuid, newest.json.root_provider_uuid], [null, id])
  assert.equal(newest.headers['cache-control'], 'no-cache')
  const again = await api.post('/placement/resource_providers', { name: 'one' })
  assert.equal(again.status, 409)
  assert.equal(again.json.errors[0].code, 'placement.duplicate_name')
  assert.equal((await api.put(`/placement/resource_providers/${id}`, { name: 'two' })).json.name, 'two')
  assert.equal(
    (await at('1.13').post('/placement/resource_providers', { name: 'x', parent_provider_uuid: id })).status,
    400,
  )
  const child = await makeProvider(api, 'child', { parent_provider_uuid: id })
  const refused = await api.delete(`/placement/resource_providers/${id}`)
  assert.equal(refused.json.errors[0].code, 'placement.resource_provider.cannot_delete_parent')
  const tree = await api.get(`/placement/resource_providers?in_tree=${child}`)
  assert.deepEqual(
    tree.json.resource_providers.map((each: { name: string }) => each.name),
    ['child', 'two'],
  )
  assert.equal(
    (await api.put(`/placement/resource_providers/${id}`, { name: 'two', parent_provider_uuid: child })).status,
    400,
  )
  assert.equal(
    (await at('1.36').put(`/placement/resource_providers/${child}`, { name: 'child', parent_provider_uuid: null }))
      .status,
    400,
  )
  const freed = await api.put(`/placement/resource_providers/${child}`, { name: 'child', parent_provider_uuid: null })
  assert.equal(freed.json.root_provider_uuid, child)
  assert.equal((await api.delete(`/placement/resource_providers/${id}`)).status, 204)
  assert.equal((await api.get(`/placement/resource_providers/${id}`)).status, 404)
  assert.equal((await api.get('/placement/resource_providers/nonsense')).status, 404)
  assert.equal((await api.get('/placement/resource_providers?colour=red')).status, 400)
})

test('inventories are set with the generation that was read, and stay while they are used', async (t) => {
  const { api, at } = await admin(t)
  const id = await makeProvider(api, 'one')
  const base = `/placement/resource_providers/${id}/inventories`
  const set = (generation: number, inventories: object) =>
    api.put(base, { resource_provider_generation: generation, inventories })
  const first = await set(0, { VCPU: { total: 8, allocation_ratio: 2 }, DISK_GB: { total: 100, reserved: 10 } })
  assert.deepEqual([first.status, first.json.resource_provider_generation], [200, 1])
  assert.deepEqual(first.json.inventories.VCPU, {
    total: 8,
    reserved: 0,
    min_unit: 1,
    max_unit: 2_147_483_647,
    step_size: 1,
    allocation_ratio: 2,
  })
  const stale = await set(0, {})
  assert.deepEqual([stale.status, stale.json.errors[0].code], [409, 'placement.concurrent_update'])
  assert.equal((await set(1, { CUSTOM_NOBODY: { total: 1 } })).status, 400)
  assert.equal((await set(1, { VCPU: { total: 0 } })).status, 400)
  assert.equal((await set(1, { VCPU: { total: 5, reserved: 6 } })).status, 400)
  const full = { resource_provider_generation: 1, inventories: { VCPU: { total: 5, reserved: 5 } } }
  assert.equal((await at('1.25').put(base, full)).status, 400)
  const allocated = await api.put(`/placement/allocations/${newId()}`, {
    allocations: { [id]: { resources: { VCPU: 16 } } },
    consumer_generation: null,
    ...owner,
  })
  assert.equal(allocated.status, 204)
  const usages = await api.get(`/placement/resource_providers/${id}/usages`)
  assert.deepEqual(usages.json, { resource_provider_generation: 2, usages: { VCPU: 16, DISK_GB: 0 } })
  assert.equal((await set(2, {})).json.errors[0].code, 'placement.inventory.inuse')
  assert.equal((await api.delete(`${base}/VCPU`)).status, 409)
  assert.equal((await api.delete(`${base}/DISK_GB`)).status, 204)
  assert.equal((await api.get(`${base}/DISK_GB`)).status, 404)
  const one = await api.put(`${base}/VCPU`, { resource_provider_generation: 3, total: 20 })
  assert.deepEqual([one.status, one.json.total, one.json.allocation_ratio], [200, 20, 1])
  assert.equal((await api.post(base, { resource_class: 'VCPU', total: 1 })).status, 409)
  assert.equal((await api.post(base, { resource_class: 'DISK_GB', total: 1 })).status, 201)
  assert.equal((await at('1.4').delete(base)).status, 405)
  assert.equal(
    (await api.delete(`/placement/resource_providers/${id}`)).json.errors[0].code,
    'placement.resource_provider.inuse',
  )
})

test('allocations replace each other, with the generation of their consumer', async (t) => {
  const { api, at } = await admin(t)
  const [a, b] = [await makeProvider(api, 'a'), await makeProvider(api, 'b')]
  await stock(api, a, { VCPU: 4 })
  await stock(api, b, { VCPU: 4, DISK_GB: 10 })
  const consumer = newId()
  const url = `/placement/allocations/${consumer}`
  const put = (generation: number | null, allocations: object) =>
    api.put(url, { allocations, consumer_generation: generation, ...owner })
  assert.deepEqual((await api.get(url)).json, { allocations: {} })
  assert.equal((await put(1, { [a]: { resources: { VCPU: 1 } } })).json.errors[0].code, 'placement.concurrent_update')
  assert.equal((await put(null, { [newId()]: { resources: { VCPU: 1 } } })).status, 400)
  assert.equal((await put(null, { [a]: { resources: { VCPU: 5 } } })).status, 409)
  assert.equal((await put(null, { [a]: { resources: { DISK_GB: 5 } } })).status, 409)
  assert.equal((await put(null, { [a]: { resources: { VCPU: 4 } } })).status, 204)
  assert.equal((await put(null, { [b]: { resources: { VCPU: 4 } } })).status, 409)
  assert.equal((await put(1, { [b]: { resources: { VCPU: 2, DISK_GB: 10 } } })).status, 204)
  const held = await api.get(url)
  assert.deepEqual(held.json, {
    allocations: { [b]: { generation: 2, resources: { VCPU: 2, DISK_GB: 10 } } },
    project_id: 'p',
    user_id: 'u',
    consumer_generation: 2,
    consumer_type: 'INSTANCE',
  })
  assert.deepEqual((await at('1.11').get(url)).json, { allocations: held.json.allocations })
  assert.deepEqual((await api.get(`/placement/resource_providers/${b}/allocations`)).json.allocations, {
    [consumer]: { resources: { VCPU: 2, DISK_GB: 10 }, consumer_generation: 2 },
  })
  const usages = await api.get('/placement/usages?project_id=p')
  assert.deepEqual(usages.json.usages, { INSTANCE: { consumer_count: 1, VCPU: 2, DISK_GB: 10 } })
  const all = await api.get('/placement/usages?project_id=p&consumer_type=all')
  assert.deepEqual(all.json.usages, { all: { consumer_count: 1, VCPU: 2, DISK_GB: 10 } })
  assert.deepEqual((await at('1.9').get('/placement/usages?project_id=p')).json.usages, { VCPU: 2, DISK_GB: 10 })

  // the form of the first versions, and an allocation moved from one consumer to another in one request
  const other = newId()
  const undashed = a.replaceAll('-', '')
  const old = { allocations: [{ resource_provider: { uuid: undashed }, resources: { VCPU: 3 } }] }
  assert.equal((await at('1.0').put(`/placement/allocations/${other}`, old)).status, 204)
  const moved = await api.post('/placement/allocations', {
    [consumer]: { allocations: {}, consumer_generation: 2, ...owner },
    [other]: { allocations: { [b]: { resources: { DISK_GB: 10 } } }, consumer_generation: 1, ...owner },
  })
  assert.equal(moved.status, 204)
  assert.deepEqual((await api.get(url)).json, { allocations: {} })
  assert.equal((await api.delete(url)).status, 404)
  const none = { allocations: {}, consumer_generation: null, ...owner }
  assert.equal((await api.post('/placement/allocations', { [other]: none, [other.toUpperCase()]: none })).status, 400)
  assert.equal((await api.delete(`/placement/allocations/${other}`)).status, 204)
  assert.deepEqual((await api.get(`/placement/resource_providers/${b}/usages`)).json.usages, { DISK_GB: 0, VCPU: 0 })
  assert.equal(
    (await api.put('/placement/allocations/web', { allocations: {}, consumer_generation: null, ...owner })).status,
    400,
  )
})

test('traits and resource classes of an operator come, are used, and go', async (t) => {
  const { api, at } = await admin(t)
  const id = await makeProvider(api, 'one')
  assert.equal((await api.put('/placement/traits/CUSTOM_GOLD')).status, 201)
  assert.equal((await api.put('/placement/traits/CUSTOM_GOLD')).status, 204)
  assert.equal((await api.put('/placement/traits/GOLD')).status, 400)
  assert.equal((await api.get('/placement/traits/CUSTOM_GOLD')).status, 204)
  assert.equal((await api.get('/placement/traits/HW_CPU_X86_AVX2')).status, 204)
  assert.equal((await api.get('/placement/traits/CUSTOM_TIN')).status, 404)
  assert.deepEqual((await api.get('/placement/traits?name=startswith:CUSTOM_')).json, { traits: ['CUSTOM_GOLD'] })
  const url = `/placement/resource_providers/${id}/traits`
  const put = (traits: string[], generation: number) =>
    api.put(url, { traits, resource_provider_generation: generation })
  assert.equal((await put(['CUSTOM_TIN'], 0)).status, 400)
  assert.equal((await put(['CUSTOM_GOLD', 'HW_CPU_X86_AVX2'], 0)).json.resource_provider_generation, 1)
  assert.equal((await put([], 0)).status, 409)
  assert.equal((await api.delete('/placement/traits/CUSTOM_GOLD')).status, 409)
  const names = async (query: string) => {
    const { json } = await api.get(`/placement/resource_providers?${query}`)
    return json.resource_providers.map((each: { name: string }) => each.name)
  }
  assert.deepEqual(await names('required=CUSTOM_GOLD,HW_CPU_X86_AVX2'), ['one'])
  assert.deepEqual(await names('required=!CUSTOM_GOLD'), [])
  assert.deepEqual(await names('required=in:CUSTOM_GOLD,HW_CPU_X86_SSE'), ['one'])
  assert.equal((await at('1.38').get('/placement/resource_providers?required=in:CUSTOM_GOLD')).status, 400)
  assert.equal((await api.get('/placement/resource_providers?required=CUSTOM_TIN')).status, 400)
  assert.deepEqual((await api.get('/placement/traits?associated=true')).json.traits, ['CUSTOM_GOLD', 'HW_CPU_X86_AVX2'])
  assert.equal((await api.delete(url)).status, 204)
  assert.equal((await api.delete('/placement/traits/CUSTOM_GOLD')).status, 204)
  assert.equal((await api.delete('/placement/traits/HW_CPU_X86_AVX2')).status, 400)

  const aggregates = `/placement/resource_providers/${id}/aggregates`
  const [agg, none] = [newId(), newId()]
  assert.deepEqual((await at('1.1').put(aggregates, [agg])).json, { aggregates: [agg] })
  assert.equal((await api.put(aggregates, { aggregates: [agg], resource_provider_generation: 0 })).status, 409)
  assert.deepEqual(await names(`member_of=in:${agg},${none}`), ['one'])
  assert.deepEqual(await names(`member_of=${agg}&member_of=${none}`), [])
  assert.deepEqual(await names(`member_of=!${agg}`), [])

  assert.equal((await api.put('/placement/resource_classes/CUSTOM_GPU')).status, 201)
  assert.equal((await api.post('/placement/resource_classes', { name: 'CUSTOM_GPU' })).status, 409)
  assert.equal((await api.put('/placement/resource_classes/GPU')).status, 400)
  await stock(api, id, { CUSTOM_GPU: 2 })
  assert.equal(
    (await at('1.6').put('/placement/resource_classes/CUSTOM_GPU', { name: 'CUSTOM_TPU' })).json.name,
    'CUSTOM_TPU',
  )
  assert.deepEqual(await names('resources=CUSTOM_TPU:2'), ['one'])
  assert.deepEqual(await names('resources=CUSTOM_TPU:3'), [])
  assert.equal((await api.delete('/placement/resource_classes/CUSTOM_TPU')).status, 409)
  assert.equal((await api.delete('/placement/resource_classes/VCPU')).status, 400)
  const classes = await api.get('/placement/resource_classes')
  assert.equal(classes.json.resource_classes[0].name, 'VCPU')
})

test('what our own scheduler claims is what the API shows', async (t) => {
  const { cloud, api } = await admin(t)
  await cloud.db.transaction((tx) =>
    ensureHosts(tx, [
      { region, name: 'h', inventories: { VCPU: { total: 4 }, CUSTOM_FAN: { total: 2 } }, traits: ['CUSTOM_LOUD'] },
    ]),
  )
  const consumerId = newId()
  const placed = await place(cloud.app.world, {
    region,
    consumerId,
    projectId: 'p',
    userId: 'u',
    resources: { VCPU: 3 },
  })
  const { json } = await api.get(`/placement/allocations/${consumerId}`)
  assert.deepEqual(json.allocations[placed.providerId].resources, { VCPU: 3 })
  assert.equal(json.consumer_generation, 1)
  assert.equal((await api.get('/placement/traits/CUSTOM_LOUD')).status, 204)
  assert.equal((await api.get('/placement/resource_classes/CUSTOM_FAN')).status, 200)
  await cloud.db.transaction((tx) => release(tx, consumerId))
  assert.deepEqual((await api.get(`/placement/allocations/${consumerId}`)).json, { allocations: {} })
  assert.equal((await api.post('/placement/reshaper', {})).status, 403, 'a service only')
  assert.equal((await (await asService(cloud)).version('placement 1.39').post('/placement/reshaper', {})).status, 501)
})
