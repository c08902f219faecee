import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { computeCloud, makeServer, serverBody } from '../testing/compute.ts'

const at = (id: string) => `/compute/v2.1/servers/${id}/os-interface`

test('a NIC comes to a running server and goes again, with its port', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const made = await member.post(at(id), { interfaceAttachment: { net_id: cloud.networkId } })
  assert.equal(made.status, 200, made.text)
  const { port_id: portId, fixed_ips: fixed } = made.json.interfaceAttachment
  assert.equal(fixed.length, 1)
  assert.equal((await member.delete(`/compute/v2.1/servers/${id}/metadata/none`)).status, 404)
  // one change at a time
  assert.equal((await member.post(at(id), { interfaceAttachment: { net_id: cloud.networkId } })).status, 409)
  await cloud.runTasks()
  const [machine] = await cloud.app.sim!.machines()
  assert.equal(machine!.about.nics.length, 2)
  assert.equal(machine!.about.nics[1]!.portId, portId)
  const { interfaceAttachments: nics } = (await member.get(at(id))).json
  assert.equal(nics.length, 2)
  assert.equal(nics[1].port_id, portId)
  assert.equal((await member.delete(`${at(id)}/${portId}`)).status, 202)
  await cloud.runTasks()
  assert.equal((await cloud.app.sim!.machines())[0]!.about.nics.length, 1)
  assert.equal((await member.get(`${at(id)}/${portId}`)).status, 404)
  assert.equal((await member.get(`/network/v2.0/ports/${portId}`)).status, 404)
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'ACTIVE')
  const { instanceActions } = (await member.get(`/compute/v2.1/servers/${id}/os-instance-actions`)).json
  assert.deepEqual(
    instanceActions.map((each: { action: string }) => each.action),
    ['detach_interface', 'attach_interface', 'create'],
  )
})

test('a port that was there before stays when it leaves the server', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const port = await member.post('/network/v2.0/ports', { port: { network_id: cloud.networkId } })
  const portId: string = port.json.port.id
  const made = await member.post(at(id), { interfaceAttachment: { port_id: portId } })
  assert.equal(made.status, 200, made.text)
  await cloud.runTasks()
  assert.equal((await member.post(at(id), { interfaceAttachment: { port_id: portId } })).status, 409)
  assert.equal((await member.delete(`${at(id)}/${portId}`)).status, 202)
  await cloud.runTasks()
  assert.equal((await member.get(`/network/v2.0/ports/${portId}`)).json.port.device_id, '')
})

test('a port deleted or given to something else in the network API leaves the guest at once', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const { port_id: own } = (await member.get(at(id))).json.interfaceAttachments[0]
  const { id: second } = (await member.post('/network/v2.0/ports', { port: { network_id: cloud.networkId } })).json.port
  assert.equal((await member.post(at(id), { interfaceAttachment: { port_id: second } })).status, 200)
  await cloud.runTasks()
  const nics = async () => (await cloud.sim.machines())[0]!.about.nics.map(({ portId }) => portId)
  assert.deepEqual(await nics(), [own, second])
  assert.equal((await member.delete(`/network/v2.0/ports/${own}`)).status, 204)
  const addresses = async () =>
    (await member.get(`/compute/v2.1/servers/${id}`)).json.server.addresses.private?.length ?? 0
  assert.equal(await addresses(), 1)
  await cloud.runTasks()
  assert.deepEqual(await nics(), [second])
  const put = await member.put(`/network/v2.0/ports/${second}`, { port: { device_id: 'elsewhere' } })
  assert.equal(put.status, 200, put.text)
  assert.equal(await addresses(), 0)
  await cloud.runTasks()
  assert.deepEqual(await nics(), [])
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'ACTIVE')
})

test('a port deleted while its server is being made is not in the guest', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const { id } = (await member.post('/compute/v2.1/servers', serverBody(cloud))).json.server
  const { port_id: portId } = (await member.get(at(id))).json.interfaceAttachments[0]
  // held by its host, which has heard of the port already
  await cloud.sim.failures.hold(id, true)
  await assert.rejects(cloud.runTasks(), /do not come to an end/)
  assert.equal((await member.delete(`/network/v2.0/ports/${portId}`)).status, 204)
  await cloud.sim.failures.hold(id, false)
  await cloud.runTasks()
  assert.deepEqual((await cloud.sim.machines())[0]!.about.nics, [])
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'ACTIVE')
})

test("a port on which somebody writes another project's server is not that server's", async (t) => {
  const cloud = await computeCloud(t)
  const [member, other] = [cloud.as('member'), cloud.as('other')]
  const id = await makeServer(cloud)
  const before = (await member.get(at(id))).json.interfaceAttachments
  const { id: network_id } = (await other.post('/network/v2.0/networks', { network: { name: 'trap' } })).json.network
  await other.post('/network/v2.0/subnets', { subnet: { network_id, ip_version: 4, cidr: '10.66.0.0/24' } })
  const forged = { network_id, device_id: id, device_owner: 'compute:nova' }
  const made = await other.post('/network/v2.0/ports', { port: forged })
  assert.equal(made.status, 201, made.text)
  assert.deepEqual((await member.get(at(id))).json.interfaceAttachments, before)
  assert.deepEqual(Object.keys((await member.get(`/compute/v2.1/servers/${id}`)).json.server.addresses), ['private'])
  assert.equal((await member.post(`/compute/v2.1/servers/${id}/action`, { reboot: { type: 'HARD' } })).status, 202)
  await cloud.runTasks()
  assert.equal((await cloud.sim.machines())[0]!.about.nics.length, 1)
  assert.equal((await other.delete(`/network/v2.0/ports/${made.json.port.id}`)).status, 204)
  const [unfinished] = await cloud.db.rows(sql`select 1 from task where finished_at is null`)
  assert.equal(unfinished, undefined, 'its end concerns nobody')
})

test('what cannot be attached is refused as Nova refuses it', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const unknown = '00000000-0000-4000-8000-000000000000'
  const ask = async (interfaceAttachment: unknown) => (await member.post(at(id), { interfaceAttachment })).status
  assert.equal(await ask({ net_id: unknown }), 404)
  assert.equal(await ask({ port_id: unknown }), 404)
  assert.equal(await ask({ port_id: unknown, net_id: cloud.networkId }), 400)
  assert.equal(await ask({ fixed_ips: [{ ip_address: '10.9.0.9' }] }), 400)
  assert.equal(await ask({ net_id: cloud.networkId, fixed_ips: [{ ip_address: '10.9.0.77' }] }), 200)
  await cloud.runTasks()
  assert.equal(await ask({ net_id: cloud.networkId, fixed_ips: [{ ip_address: '10.9.0.77' }] }), 409)
  assert.equal((await member.delete(`${at(id)}/${unknown}`)).status, 404)
  assert.equal((await cloud.as('admin').post(`/compute/v2.1/servers/${id}/action`, { lock: null })).status, 202)
  assert.equal(await ask({ net_id: cloud.networkId }), 409)
})

test('a port that the host refuses is taken back, and the server goes on', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  cloud.app.sim!.failures.refuse(id, 'There is no room for another port.')
  const made = await member.post(at(id), { interfaceAttachment: { net_id: cloud.networkId } })
  assert.equal(made.status, 200, made.text)
  await cloud.runTasks()
  assert.equal((await member.get(at(id))).json.interfaceAttachments.length, 1)
  assert.equal((await cloud.app.sim!.machines())[0]!.about.nics.length, 1)
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'ACTIVE')
  const { instanceActions } = (await member.get(`/compute/v2.1/servers/${id}/os-instance-actions`)).json
  assert.equal(instanceActions[0].message, 'Error')
})

test('security groups come to a server by name or id, and leave it', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const made = await member.post('/network/v2.0/security-groups', { security_group: { name: 'www' } })
  const groupId: string = made.json.security_group.id
  const act = async (body: unknown) => (await member.post(`/compute/v2.1/servers/${id}/action`, body)).status
  const names = async () =>
    (await member.get(`/compute/v2.1/servers/${id}`)).json.server.security_groups.map((g: { name: string }) => g.name)
  assert.equal(await act({ addSecurityGroup: { name: 'www' } }), 202)
  assert.equal(await act({ addSecurityGroup: { name: groupId } }), 202)
  assert.deepEqual((await names()).toSorted(), ['default', 'www'])
  assert.equal(await act({ removeSecurityGroup: { name: groupId } }), 202)
  assert.deepEqual(await names(), ['default'])
  assert.equal(await act({ removeSecurityGroup: { name: 'www' } }), 404)
  assert.equal(await act({ addSecurityGroup: { name: 'nowhere' } }), 404)
})
