import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { type TestClient, testCloud } from '#lib/testing/cloud.ts'

interface Spec {
  parent?: string
  totals?: Record<string, number>
  traits?: string[]
  aggregates?: string[]
}

async function scene(t: TestContext) {
  const cloud = await testCloud(t, { simHosts: 0 })
  const admin = cloud.as('admin')
  const api = admin.version('placement 1.39')
  const ids = new Map<string, string>()
  const make = async (name: string, { parent, totals = {}, traits = [], aggregates = [] }: Spec) => {
    const parentId = parent === undefined ? null : ids.get(parent)
    const { json } = await api.post('/placement/resource_providers', { name, parent_provider_uuid: parentId })
    const url = `/placement/resource_providers/${json.uuid}`
    ids.set(name, json.uuid)
    const inventories = Object.fromEntries(Object.entries(totals).map(([key, total]) => [key, { total }]))
    const steps = [
      await api.put(`${url}/inventories`, { resource_provider_generation: 0, inventories }),
      await api.put(`${url}/traits`, { resource_provider_generation: 1, traits }),
      await api.put(`${url}/aggregates`, { resource_provider_generation: 2, aggregates }),
    ]
    for (const { status, text } of steps) assert.equal(status, 200, text)
  }
  const nameOf = (id: string) => [...ids].find(([, each]) => each === id)![0]
  /** 'a:VCPU=1 b:DISK_GB=2' for each request, in alphabetical order. */
  const ask = async (query: string, as: TestClient = api) => {
    const { status, json, text } = await as.get(`/placement/allocation_candidates?${query}`)
    assert.equal(status, 200, text)
    return json.allocation_requests
      .map(({ allocations }: { allocations: Record<string, { resources: Record<string, number> }> }) =>
        Object.entries(allocations)
          .map(([id, { resources }]) => `${nameOf(id)}:${Object.entries(resources).map(([k, v]) => `${k}=${v}`)}`)
          .toSorted()
          .join(' '),
      )
      .toSorted()
  }
  return { api, at: (version: string) => admin.version(`placement ${version}`), ids, make, ask }
}

test('hosts that have room and the traits asked for', async (t) => {
  const { api, at, ids, make, ask } = await scene(t)
  const agg = newId()
  await make('a', { totals: { VCPU: 4, MEMORY_MB: 1024 }, traits: ['HW_CPU_X86_AVX2'], aggregates: [agg] })
  await make('b', { totals: { VCPU: 8, MEMORY_MB: 1024 } })
  assert.deepEqual(await ask('resources=VCPU:4,MEMORY_MB:512'), ['a:VCPU=4,MEMORY_MB=512', 'b:VCPU=4,MEMORY_MB=512'])
  assert.deepEqual(await ask('resources=VCPU:5'), ['b:VCPU=5'])
  assert.deepEqual(await ask('resources=VCPU:1&required=HW_CPU_X86_AVX2'), ['a:VCPU=1'])
  assert.deepEqual(await ask('resources=VCPU:1&required=!HW_CPU_X86_AVX2'), ['b:VCPU=1'])
  assert.deepEqual(await ask(`resources=VCPU:1&member_of=${agg}`), ['a:VCPU=1'])
  assert.deepEqual(await ask(`resources=VCPU:1&member_of=!${agg}`), ['b:VCPU=1'])
  assert.deepEqual(await ask(`resources=VCPU:1&in_tree=${ids.get('b')}`), ['b:VCPU=1'])
  assert.equal((await ask('resources=VCPU:1&limit=1')).length, 1)
  const { json } = await api.get('/placement/allocation_candidates?resources=VCPU:5')
  const b = ids.get('b')!
  assert.deepEqual(json.allocation_requests[0].mappings, { '': [b] })
  assert.deepEqual(json.provider_summaries, {
    [b]: {
      resources: { VCPU: { capacity: 8, used: 0 }, MEMORY_MB: { capacity: 1024, used: 0 } },
      traits: [],
      parent_provider_uuid: null,
      root_provider_uuid: b,
    },
  })
  const oldest = await at('1.10').get('/placement/allocation_candidates?resources=VCPU:5')
  assert.deepEqual(oldest.json, {
    allocation_requests: [{ allocations: [{ resource_provider: { uuid: b }, resources: { VCPU: 5 } }] }],
    provider_summaries: { [b]: { resources: { VCPU: { capacity: 8, used: 0 } } } },
  })
  // a candidate can be claimed as it is
  const claim = {
    ...json.allocation_requests[0],
    consumer_generation: null,
    project_id: 'p',
    user_id: 'u',
    consumer_type: 'X',
  }
  assert.equal((await api.put(`/placement/allocations/${newId()}`, claim)).status, 204)
  assert.deepEqual(await ask('resources=VCPU:5'), [])
})

test('a tree gives together what one provider of it cannot, and a numbered group is served by one', async (t) => {
  const { at, make, ask } = await scene(t)
  await make('host', { totals: { VCPU: 8 } })
  await make('nic1', { parent: 'host', totals: { SRIOV_NET_VF: 2 }, traits: ['HW_NIC_SRIOV'] })
  await make('nic2', { parent: 'host', totals: { SRIOV_NET_VF: 2 } })
  const both = ['host:VCPU=1 nic1:SRIOV_NET_VF=1', 'host:VCPU=1 nic2:SRIOV_NET_VF=1']
  assert.deepEqual(await ask('resources=VCPU:1,SRIOV_NET_VF:1'), both)
  assert.deepEqual(await ask('resources=VCPU:1,SRIOV_NET_VF:1', at('1.28')), [])
  assert.deepEqual(await ask('resources=VCPU:1,SRIOV_NET_VF:1&required=HW_NIC_SRIOV'), [both[0]])
  assert.deepEqual(await ask('resources=VCPU:1&resources1=SRIOV_NET_VF:1&required1=HW_NIC_SRIOV'), [both[0]])
  const two = 'resources=VCPU:1&resources1=SRIOV_NET_VF:1&resources2=SRIOV_NET_VF:1'
  assert.equal((await ask(`${two}&group_policy=none`)).length, 4)
  // whichever group is served by which, each is a candidate of its own: the mappings differ
  assert.equal((await ask(`${two}&group_policy=isolate`)).length, 2)
  assert.deepEqual(await ask('resources1=SRIOV_NET_VF:2&resources2=SRIOV_NET_VF:1&group_policy=none'), [
    'nic1:SRIOV_NET_VF=1 nic2:SRIOV_NET_VF=2',
    'nic1:SRIOV_NET_VF=2 nic2:SRIOV_NET_VF=1',
  ])
  assert.deepEqual(
    await ask('resources_A=VCPU:1&resources_B=SRIOV_NET_VF:1&same_subtree=_A,_B&group_policy=none'),
    both,
  )
  assert.deepEqual(
    await ask('resources_A=SRIOV_NET_VF:2&resources_B=SRIOV_NET_VF:2&same_subtree=_A,_B&group_policy=none'),
    [],
  )
  assert.deepEqual(await ask('resources=SRIOV_NET_VF:1&root_required=HW_NIC_SRIOV'), [])
})

test('a provider that shares through an aggregate gives to the hosts of it', async (t) => {
  const { make, ask } = await scene(t)
  const agg = newId()
  await make('near', { totals: { VCPU: 4 }, aggregates: [agg] })
  await make('far', { totals: { VCPU: 4 } })
  await make('store', { totals: { DISK_GB: 100 }, traits: ['MISC_SHARES_VIA_AGGREGATE'], aggregates: [agg] })
  assert.deepEqual(await ask('resources=VCPU:1,DISK_GB:10'), ['near:VCPU=1 store:DISK_GB=10'])
  assert.deepEqual(await ask('resources=DISK_GB:10'), ['store:DISK_GB=10'])
})

test('a query that makes no sense is refused with a reason', async (t) => {
  const { api, at } = await scene(t)
  const status = async (query: string, as: TestClient = api) =>
    (await as.get(`/placement/allocation_candidates?${query}`)).status
  assert.equal(await status(''), 400)
  assert.equal(await status('resources=VCPU'), 400)
  assert.equal(await status('resources=VCPU:0'), 400)
  assert.equal(await status('resources=CUSTOM_NOBODY:1'), 400)
  assert.equal(await status('resources=VCPU:1&required=CUSTOM_NOBODY'), 400)
  assert.equal(await status('resources=VCPU:1&required=HW_CPU_X86_AVX2,!HW_CPU_X86_AVX2'), 400)
  assert.equal(await status('resources=VCPU:1&colour=red'), 400)
  assert.equal(await status('resources=VCPU:1&limit=0'), 400)
  assert.equal(await status('resources=VCPU:1&member_of=here'), 400)
  assert.equal(await status('resources1=VCPU:1&resources2=VCPU:1'), 400)
  assert.equal(await status('resources=VCPU:1&required1=HW_CPU_X86_AVX2'), 400)
  assert.equal(await status('resources=VCPU:1&same_subtree=_A'), 400)
  assert.equal(await status('resources=VCPU:1&limit=1', at('1.15')), 400)
  assert.equal(await status('resources1=VCPU:1', at('1.24')), 400)
  assert.equal(await status('resources_A=VCPU:1', at('1.32')), 400)
  assert.equal(await status('resources=VCPU:1', at('1.9')), 404)
})
