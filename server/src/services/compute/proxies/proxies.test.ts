import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, makeServer } from '../testing/compute.ts'

const api = '/compute/v2.1'
const late = { headers: { 'x-openstack-nova-api-version': '2.36' } }

test('images are listed, described and changed until 2.35', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const { images } = (await member.get(`${api}/images`)).json
  assert.deepEqual(
    images.map((each: { id: string }) => each.id),
    [cloud.imageId],
  )
  const made = await member.post('/image/v2/images', {
    name: 'own',
    disk_format: 'raw',
    container_format: 'bare',
    kind: 'x',
  })
  const id: string = made.json.id
  const shown = (await member.get(`${api}/images/${id}`)).json.image
  assert.equal(shown.status, 'SAVING')
  assert.deepEqual(shown.metadata, { kind: 'x' })
  const first = (await member.get(`${api}/images/detail?limit=1`)).json
  assert.deepEqual([first.images.length, first.images[0].id, first.images_links.length], [1, id, 1])
  const second = (await member.get(`${api}/images/detail?limit=1&marker=${id}`)).json
  assert.equal(second.images[0].id, cloud.imageId)
  assert.equal((await member.get(`${api}/images?status=saving&name=own`)).json.images.length, 1)
  assert.equal((await member.get(`${api}/images?status=active&name=own`)).json.images.length, 0)
  assert.equal((await member.get(`${api}/images?limit=-1`)).status, 400)
  assert.deepEqual((await member.post(`${api}/images/${id}/metadata`, { metadata: { a: 'b' } })).json, {
    metadata: { kind: 'x', a: 'b' },
  })
  assert.deepEqual((await member.put(`${api}/images/${id}/metadata/a`, { meta: { a: 'c' } })).json, {
    meta: { a: 'c' },
  })
  assert.equal((await member.delete(`${api}/images/${id}/metadata/kind`)).status, 204)
  assert.deepEqual((await member.get(`${api}/images/${id}/metadata`)).json, { metadata: { a: 'c' } })
  assert.equal((await member.get(`${api}/images/${id}/metadata/kind`)).status, 404)
  const other = cloud.as('other')
  assert.equal((await other.put(`${api}/images/${cloud.imageId}/metadata`, { metadata: {} })).status, 403)
  assert.equal((await other.delete(`${api}/images/${cloud.imageId}`)).status, 403)
  assert.equal((await other.get(`${api}/images/${id}/metadata`)).status, 404)
  assert.equal((await member.delete(`${api}/images/${id}`)).status, 204)
  assert.equal((await member.get(`${api}/images/${id}`)).status, 404)
  assert.equal((await member.get(`${api}/images`, late)).status, 404)
})

test('security groups and their rules, as nova-network showed them', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const made = await member.post(`${api}/os-security-groups`, { security_group: { name: 'web', description: 'd' } })
  assert.equal(made.status, 200, made.text)
  const { id } = made.json.security_group
  assert.deepEqual(made.json.security_group.rules, [])
  const rule = { parent_group_id: id, ip_protocol: 'tcp', from_port: 80, to_port: '81' }
  const added = await member.post(`${api}/os-security-group-rules`, { security_group_rule: rule })
  assert.equal(added.status, 200, added.text)
  const { id: ruleId, ...shown } = added.json.security_group_rule
  assert.deepEqual(shown, {
    parent_group_id: id,
    ip_protocol: 'tcp',
    from_port: 80,
    to_port: 81,
    group: {},
    ip_range: { cidr: '0.0.0.0/0' },
  })
  assert.equal((await member.post(`${api}/os-security-group-rules`, { security_group_rule: rule })).status, 400)
  const ping = { parent_group_id: id, ip_protocol: 'icmp', from_port: -1, to_port: -1 }
  const pinged = await member.post(`${api}/os-security-group-rules`, { security_group_rule: ping })
  assert.equal(pinged.json.security_group_rule.from_port, -1, pinged.text)
  const server = await makeServer(cloud)
  assert.equal(
    (await member.post(`${api}/servers/${server}/action`, { addSecurityGroup: { name: 'web' } })).status,
    202,
  )
  const groups = (await member.get(`${api}/servers/${server}/os-security-groups`)).json.security_groups
  const web = groups.find((each: { name: string }) => each.name === 'web')
  assert.equal(web.rules.length, 2)
  assert.equal((await member.delete(`${api}/os-security-groups/${id}`)).status, 400)
  assert.equal((await member.delete(`${api}/os-security-group-rules/${ruleId}`)).status, 202)
  const names = (await member.get(`${api}/os-security-groups`)).json.security_groups
  assert.deepEqual(names.map((each: { name: string }) => each.name).toSorted(), ['default', 'web'])
  assert.equal((await member.get(`${api}/os-security-groups/${id}`)).json.security_group.rules.length, 1)
  assert.equal((await member.get(`${api}/os-security-groups/7`)).status, 400)
  assert.equal((await member.get(`${api}/os-security-groups`, late)).status, 404)
})

test('floating IPs come to a server by address until 2.43, and networks have labels', async (t) => {
  const cloud = await computeCloud(t)
  const [member, admin] = [cloud.as('member'), cloud.as('admin')]
  const outer = await admin.post('/network/v2.0/networks', { network: { name: 'out', 'router:external': true } })
  assert.equal(outer.status, 201, outer.text)
  const outerId: string = outer.json.network.id
  const subnet = { network_id: outerId, ip_version: 4, cidr: '192.0.2.0/24' }
  assert.equal((await admin.post('/network/v2.0/subnets', { subnet })).status, 201)
  assert.deepEqual((await member.get(`${api}/os-floating-ip-pools`)).json, { floating_ip_pools: [{ name: 'out' }] })
  const id = await makeServer(cloud)
  const act = async (body: unknown) => (await member.post(`${api}/servers/${id}/action`, body)).status
  assert.equal((await member.post(`${api}/os-floating-ips`, { pool: 'none' })).status, 404)
  const made = await member.post(`${api}/os-floating-ips`, { pool: 'out' })
  assert.equal(made.status, 200, made.text)
  const { ip: address, id: ipId } = made.json.floating_ip
  // no router leads there yet
  assert.equal(await act({ addFloatingIp: { address } }), 400)
  const router = await member.post('/network/v2.0/routers', {
    router: { external_gateway_info: { network_id: outerId } },
  })
  const [inner] = (await member.get(`/network/v2.0/subnets?network_id=${cloud.networkId}`)).json.subnets
  const plug = `/network/v2.0/routers/${router.json.router.id}/add_router_interface`
  assert.equal((await member.put(plug, { subnet_id: inner.id })).status, 200)
  assert.equal(await act({ addFloatingIp: { address } }), 202)
  assert.equal((await member.get(`${api}/os-floating-ips/${ipId}`)).json.floating_ip.instance_id, id)
  assert.equal(await act({ removeFloatingIp: { address } }), 202)
  assert.equal(await act({ removeFloatingIp: { address } }), 409)
  assert.equal(await act({ addFloatingIp: { address: '192.0.2.250' } }), 404)
  assert.equal((await member.delete(`${api}/os-floating-ips/${ipId}`)).status, 202)
  assert.deepEqual((await member.get(`${api}/os-floating-ips`)).json, { floating_ips: [] })
  const labels = (await member.get(`${api}/os-tenant-networks`)).json.networks.map(
    (each: { label: string }) => each.label,
  )
  assert.deepEqual(labels.toSorted(), ['out', 'private'])
  assert.equal((await member.get(`${api}/os-networks/${cloud.networkId}`)).json.network.label, 'private')
  assert.equal((await member.get(`${api}/os-networks`, late)).status, 404)
  assert.equal((await member.get(`${api}/os-fping`)).status, 410)
})
