import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ComputeCloud, computeCloud, makeServer, serverBody } from './testing/compute.ts'

const v21 = '/compute/v2.1'

async function externalNetwork(cloud: ComputeCloud): Promise<string> {
  const admin = cloud.as('admin')
  const flat = { 'provider:network_type': 'flat', 'provider:physical_network': 'public', 'router:external': true }
  const { id } = (await admin.post('/network/v2.0/networks', { network: flat })).json.network
  const subnet = { network_id: id, ip_version: 4, cidr: '203.0.113.0/24' }
  assert.equal((await admin.post('/network/v2.0/subnets', { subnet })).status, 201)
  return id as string
}

test('readers see what their quotas are used for; managers, and no members, where servers move', async (t) => {
  const cloud = await computeCloud(t)
  const [reader, member, manager] = [cloud.as('reader'), cloud.as('member'), cloud.as('manager')]
  const detail = `${v21}/os-quota-sets/${member.projectId}/detail`
  assert.deepEqual((await reader.get(detail)).json.quota_set.instances, { limit: 10, in_use: 0, reserved: 0 })
  assert.equal((await cloud.as('other').get(detail)).status, 403)
  const id = await makeServer(cloud)
  const migrations = `${v21}/servers/${id}/migrations`
  assert.equal((await member.version('compute 2.23').get(migrations)).status, 403)
  assert.deepEqual((await manager.version('compute 2.23').get(migrations)).json.migrations, [])
})

test("rules of an operator's file for Nova work as they are, with the names of old", async (t) => {
  const policyDir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(policyDir, { recursive: true }))
  const rules = {
    admin_or_manager: 'rule:context_is_admin or rule:project_manager_api',
    'os_compute_api:os-services': 'rule:admin_or_manager',
    'os_compute_api:os-services:delete': 'rule:admin_api',
    'os_compute_api:os-security-groups': 'rule:project_manager_or_admin',
    'os_compute_api:servers:create:attach_network': 'rule:project_manager_api',
    'network:attach_external_network': 'rule:project_member_or_admin',
  }
  const lines = Object.entries(rules).map(([name, text]) => `"${name}": "${text}"`)
  writeFileSync(join(policyDir, 'compute.yaml'), lines.join('\n'))
  const cloud = await computeCloud(t, { policyDir })
  const [member, manager] = [cloud.as('member'), cloud.as('manager')]
  assert.equal((await member.get(`${v21}/os-services`)).status, 403)
  const { services } = (await manager.get(`${v21}/os-services`)).json
  assert.equal((await manager.delete(`${v21}/os-services/${services[0].id}`)).status, 403)
  const group = { security_group: { name: 'g', description: '' } }
  assert.equal((await member.get(`${v21}/os-security-groups`)).status, 403)
  assert.equal((await member.post(`${v21}/os-security-groups`, group)).status, 403)
  assert.equal((await manager.post(`${v21}/os-security-groups`, group)).status, 200)
  const body = serverBody(cloud, { networks: 'auto' })
  assert.equal((await member.version('compute 2.37').post(`${v21}/servers`, body)).status, 403)
  assert.equal((await manager.version('compute 2.37').post(`${v21}/servers`, body)).status, 202)
  const outside = await externalNetwork(cloud)
  const onIt = serverBody(cloud, { networks: [{ uuid: outside }] })
  assert.equal((await manager.version('compute 2.37').post(`${v21}/servers`, onIt)).status, 202)
})

test("on another's network servers take the address that they get; on an external one only administrators' are", async (t) => {
  const cloud = await computeCloud(t)
  const [admin, other] = [cloud.as('admin'), cloud.as('other')]
  const { networkId } = cloud
  const network = { network: { shared: true } }
  assert.equal((await admin.put(`/network/v2.0/networks/${networkId}`, network)).status, 200)
  const boot = (who: typeof other, nic: object) => who.post(`${v21}/servers`, serverBody(cloud, { networks: [nic] }))
  assert.equal((await boot(other, { uuid: networkId, fixed_ip: '10.9.0.77' })).status, 403)
  assert.equal((await boot(other, { uuid: networkId })).status, 202)
  assert.equal((await boot(cloud.as('member'), { uuid: networkId, fixed_ip: '10.9.0.77' })).status, 202)
  const outside = await externalNetwork(cloud)
  assert.equal((await boot(other, { uuid: outside })).status, 403)
  assert.equal((await boot(admin, { uuid: outside })).status, 202)
})
