import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { computeReports } from '../reports.ts'
import { computeCloud, makeServer } from '../testing/compute.ts'

test('hosts are shown as hypervisors, services and zones, and only to admins', async (t) => {
  const cloud = await computeCloud(t)
  await makeServer(cloud)
  const admin = cloud.as('admin').version('compute 2.53')
  const { hypervisors } = (await admin.get('/compute/v2.1/os-hypervisors/detail?with_servers=true')).json
  assert.equal(hypervisors.length, 3)
  const busy = hypervisors.filter((each: { running_vms: number }) => each.running_vms === 1)
  assert.deepEqual([busy.length, busy[0].vcpus_used, busy[0].servers.length], [1, 1, 1])
  const one = await admin.get(`/compute/v2.1/os-hypervisors/${busy[0].id}`)
  assert.equal(one.json.hypervisor.hypervisor_hostname, busy[0].hypervisor_hostname)
  assert.equal((await admin.get('/compute/v2.1/os-hypervisors/statistics')).json.hypervisor_statistics.count, 3)
  const zones = (await cloud.as('member').get('/compute/v2.1/os-availability-zone')).json.availabilityZoneInfo
  assert.deepEqual(zones, [{ zoneName: 'nova', zoneState: { available: true }, hosts: null }])
  for (const path of ['os-hypervisors', 'os-services', 'os-aggregates', 'os-availability-zone/detail'])
    assert.equal((await cloud.as('member').get(`/compute/v2.1/${path}`)).status, 403, path)
  const busyService = await admin.delete(`/compute/v2.1/os-services/${busy[0].service.id}`)
  assert.equal(busyService.status, 409)
})

test('a host that falls silent takes no more servers until it is heard again', async (t) => {
  const cloud = await computeCloud(t, { simHosts: 1 })
  await cloud.db.transaction(async (tx) => {
    await tx.rows(sql`update compute_host set last_seen_at = now() - interval '1 hour'`)
    await computeReports.hostsAlive(tx, 'local', [])
  })
  const admin = cloud.as('admin').version('compute 2.53')
  const stateOf = async () => (await admin.get('/compute/v2.1/os-services')).json.services[0].state
  assert.equal(await stateOf(), 'down')
  const id = await makeServer(cloud)
  const { server } = (await cloud.as('member').get(`/compute/v2.1/servers/${id}`)).json
  assert.equal(server.status, 'ERROR')
  assert.match(server.fault.message, /No valid host was found/)
  await cloud.db.transaction((tx) => computeReports.hostsAlive(tx, 'local', ['sim-0001']))
  assert.equal(await stateOf(), 'up')
  const second = await makeServer(cloud)
  assert.equal((await cloud.as('member').get(`/compute/v2.1/servers/${second}`)).json.server.status, 'ACTIVE')
})
