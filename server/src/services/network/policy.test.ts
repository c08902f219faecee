import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asService } from '#lib/testing/service.ts'
import { change, externalNet, make, netWith, pathOf, post, put, refused, remove, show } from './testing/calls.ts'

test('to say what holds anyway takes no rule', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const plain = { shared: false, 'router:external': 'False', is_default: false }
  const network = await make(member, 'network', plain)
  await make(member, 'port', { network_id: network.id, device_owner: '', 'binding:vnic_type': 'normal' })
  await make(member, 'subnetpool', { name: 'p', prefixes: ['10.9.0.0/16'], shared: false, is_default: false })
  await refused(put(member, 'network', network.id, { shared: false }), 403, 'PolicyNotAuthorized')
})

test('ports are made on networks that one has or that are shared, and not by readers', async (t) => {
  const cloud = await testCloud(t)
  const [member, other, admin] = [cloud.as('member'), cloud.as('other'), cloud.as('admin')]
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const body = { network_id: network.id, fixed_ips: [{ subnet_id: subnet.id }] }
  await refused(post(other, 'port', body), 404)
  const policy = { object_type: 'network', object_id: network.id, action: 'access_as_shared' }
  await make(member, 'rbac_policy', { ...policy, target_tenant: other.projectId })
  await make(other, 'port', body)
  await refused(post(other, 'port', { ...body, fixed_ips: [{ ip_address: '10.0.0.9' }] }), 403)
  await change(admin, 'network', network.id, { shared: true })
  await refused(post(cloud.as('reader'), 'port', body), 403)
  const outside = await externalNet(admin)
  await refused(post(other, 'port', { network_id: outside.network.id }), 403)
})

test('a service sees all networks, subnets and ports, and alone sets the profile of a binding', async (t) => {
  const cloud = await testCloud(t)
  const [member, admin] = [cloud.as('member'), cloud.as('admin')]
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const port = await make(member, 'port', { network_id: network.id })
  const router = await make(member, 'router', {})
  const service = await asService(cloud)
  for (const [kind, { id }] of Object.entries({ network, subnet, port })) {
    assert.equal((await show(service, kind, id)).id, id)
    const listed = (await service.get(pathOf(kind))).json[`${kind}s`] as { id: string }[]
    assert.ok(listed.some((each) => each.id === id))
  }
  assert.equal((await service.get(`${pathOf('network-ip-availabilities')}/${network.id}`)).status, 200)
  await refused(service.get(pathOf('router', router.id)), 404)
  await refused(put(service, 'network', network.id, { name: 'mine' }), 403)
  const profile = { 'binding:profile': { switch: 'a' } }
  const host = { 'binding:host_id': 'h1' }
  for (const who of [member, admin]) await refused(put(who, 'port', port.id, profile), 403)
  await refused(put(member, 'port', port.id, host), 403)
  const bound = await change(service, 'port', port.id, { ...profile, ...host })
  assert.deepEqual([bound['binding:profile'], bound['binding:host_id']], [{ switch: 'a' }, 'h1'])
})

test('managers choose addresses, read quotas and meter, each in their own project', async (t) => {
  const cloud = await testCloud(t)
  const [member, manager, admin] = [cloud.as('member'), cloud.as('manager'), cloud.as('admin')]
  const outside = await externalNet(admin)
  const chosen = { floating_network_id: outside.network.id, floating_ip_address: '203.0.113.77' }
  await refused(post(member, 'floatingip', chosen), 403)
  await make(manager, 'floatingip', chosen)

  const other = cloud.as('other').projectId
  await admin.put(pathOf('quotas', other), { quota: { network: 3 } })
  await admin.put(pathOf('quotas', member.projectId), { quota: { network: 4 } })
  assert.equal((await member.get(pathOf('quotas'))).status, 403)
  const seen = async (who: typeof member) =>
    (await who.get(pathOf('quotas'))).json.quotas.map(({ project_id }: { project_id: string }) => project_id)
  assert.deepEqual(await seen(manager), [member.projectId])
  assert.deepEqual((await seen(admin)).toSorted(), [member.projectId, other].toSorted())
  await refused(manager.get(pathOf('quotas', other)), 403)

  const labels = 'metering/metering-labels'
  const label = (who: typeof member) => who.post(pathOf(labels), { metering_label: { name: 'l' } })
  await refused(label(member), 403)
  const { id } = (await label(manager)).json.metering_label
  const rules = 'metering/metering-label-rules'
  const rule = { metering_label_rule: { metering_label_id: id, remote_ip_prefix: '10.0.0.0/8' } }
  await refused(member.post(pathOf(rules), rule), 403)
  const made = (await manager.post(pathOf(rules), rule)).json.metering_label_rule.id
  assert.equal((await cloud.as('reader').get(`${pathOf(rules)}/${made}`)).status, 200)
  for (const [path, key] of [
    [labels, 'metering_labels'],
    [rules, 'metering_label_rules'],
  ] as const)
    assert.deepEqual((await cloud.as('other').get(pathOf(path))).json[key], [])
  await refused(cloud.as('other').get(`${pathOf(rules)}/${made}`), 404)
  await refused(cloud.as('other').delete(`${pathOf(labels)}/${id}`), 404)
  assert.equal((await manager.delete(`${pathOf(labels)}/${id}`)).status, 204)
})

test('who owns a network takes tags off ports in it, and sets none', async (t) => {
  const cloud = await testCloud(t)
  const [member, other] = [cloud.as('member'), cloud.as('other')]
  const { network } = await netWith(member, '10.0.0.0/24')
  await change(cloud.as('admin'), 'network', network.id, { shared: true })
  const port = await make(other, 'port', { network_id: network.id })
  const tag = `${pathOf('port', port.id)}/tags/blue`
  assert.equal((await other.put(tag)).status, 201)
  await refused(member.put(tag), 403)
  assert.equal((await member.get(tag)).status, 204)
  assert.equal((await member.delete(tag)).status, 204)
  assert.equal((await other.get(`${pathOf('network', network.id)}/tags`)).status, 200)
  await refused(other.put(`${pathOf('network', network.id)}/tags/blue`), 403)
  await refused(cloud.as('reader').put(`${pathOf('network', network.id)}/tags/blue`), 403)
})

test("rules of an operator's file for Neutron work as they are", async (t) => {
  const policyDir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(policyDir, { recursive: true }))
  const rules = {
    create_security_group_rule: 'role:manager and tenant_id:%(security_group:tenant_id)s',
    update_networks_tags: 'rule:admin_only',
    create_port: 'rule:admin_or_network_owner or rule:shared',
    'create_port:device_owner': 'not rule:network_device or rule:admin_only',
    'create_rbac_policy:target_tenant': 'rule:restrict_wildcard',
    delete_subnet: 'rule:admin_or_network_owner',
    update_quota: 'rule:admin_only or (role:manager and rule:owner)',
    get_port: 'role:manager and rule:owner',
  }
  const lines = Object.entries(rules).map(([name, text]) => `"${name}": "${text}"`)
  writeFileSync(join(policyDir, 'network.yaml'), lines.join('\n'))
  const cloud = await testCloud(t, { policyDir })
  const [member, manager, reader] = [cloud.as('member'), cloud.as('manager'), cloud.as('reader')]
  const group = await make(member, 'security_group', { name: 'g' })
  const rule = { security_group_id: group.id, direction: 'ingress', protocol: 'tcp' }
  await refused(post(member, 'security_group_rule', rule), 403)
  await make(manager, 'security_group_rule', rule)
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  await refused(member.put(`${pathOf('network', network.id)}/tags/blue`), 403)
  await make(reader, 'port', { network_id: network.id })
  await refused(post(member, 'port', { network_id: network.id, device_owner: 'network:mine' }), 403)
  const policy = { object_type: 'network', object_id: network.id, action: 'access_as_shared' }
  await refused(post(member, 'rbac_policy', { ...policy, target_tenant: '*' }), 403)
  await refused(cloud.as('other').delete(pathOf('subnet', subnet.id)), 404)
  const quota = { quota: { network: 5 } }
  assert.equal((await manager.put(pathOf('quotas', manager.projectId), quota)).status, 200)
  await refused(manager.put(pathOf('quotas', cloud.as('other').projectId), quota), 403)
  await refused(member.get(pathOf('port')), 403)
  const { ports } = (await manager.get(`${pathOf('port')}?network_id=${network.id}`)).json
  for (const { id } of ports) await remove(member, 'port', id)
  await remove(member, 'subnet', subnet.id)
})
