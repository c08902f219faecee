import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { change, make, netWith, pathOf, post, put, refused, remove, show, type Thing } from '../testing/calls.ts'

test('the default group is there when it is looked for, and is the project’s own', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { security_groups: groups } = (await member.get('/network/v2.0/security-groups')).json
  assert.deepEqual(
    groups.map(({ name }: Thing) => name),
    ['default'],
  )
  const [group] = groups
  const rules = group.security_group_rules
  assert.deepEqual(rules.map(({ direction, ethertype }: Thing) => `${direction} ${ethertype}`).toSorted(), [
    'egress IPv4',
    'egress IPv6',
    'ingress IPv4',
    'ingress IPv6',
  ])
  assert.equal(rules.find(({ direction }: Thing) => direction === 'ingress').remote_group_id, group.id)
  await refused(cloud.as('other').get(pathOf('security_group', group.id)), 404, 'SecurityGroupNotFound')
  await refused(member.delete(pathOf('security_group', group.id)), 409, 'SecurityGroupCannotRemoveDefault')
  await refused(put(member, 'security_group', group.id, { name: 'x' }), 409, 'SecurityGroupCannotUpdateDefault')
  await refused(post(member, 'security_group', { name: 'default' }), 409, 'SecurityGroupDefaultAlreadyExists')
  await remove(cloud.as('admin'), 'security_group', group.id)
})

test('a group in use stays', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/24')
  const group = await make(member, 'security_group', { name: 'web', description: 'd' })
  assert.equal(group.security_group_rules.length, 2)
  const port = await make(member, 'port', { network_id: network.id, security_groups: [group.id] })
  await refused(member.delete(pathOf('security_group', group.id)), 409, 'SecurityGroupInUse')
  await change(member, 'port', port.id, { security_groups: [] })
  assert.equal((await change(member, 'security_group', group.id, { name: 'www' })).name, 'www')
  await remove(member, 'security_group', group.id)
})

test('rules are made, are there once, and go', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const group = await make(member, 'security_group', { name: 'web' })
  const body = {
    security_group_id: group.id,
    direction: 'ingress',
    protocol: 'TCP',
    port_range_min: 22,
    port_range_max: '22',
    remote_ip_prefix: '10.0.0.34/24',
  }
  const rule = await make(member, 'security_group_rule', body)
  assert.deepEqual(
    [rule.protocol, rule.ethertype, rule.port_range_max, rule.remote_ip_prefix, rule.normalized_cidr],
    ['tcp', 'IPv4', 22, '10.0.0.34/24', '10.0.0.0/24'],
  )
  await refused(post(member, 'security_group_rule', body), 409, 'SecurityGroupRuleExists')
  await refused(post(cloud.as('other'), 'security_group_rule', body), 404, 'SecurityGroupNotFound')
  await refused(cloud.as('other').get(pathOf('security_group_rule', rule.id)), 404)
  assert.equal((await show(member, 'security_group', group.id)).security_group_rules.length, 3)
  await remove(member, 'security_group_rule', rule.id)
  await make(member, 'security_group_rule', body)
})

test('what a rule may not say', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const group = await make(member, 'security_group', { name: 'web' })
  const base = { security_group_id: group.id, direction: 'ingress' }
  const unknown = '01a1fc39-0c39-720a-b991-c4b6bcd079e8'
  const bad: [Record<string, unknown>, number, string?][] = [
    [{ direction: 'sideways' }, 400],
    [{ ethertype: 'IPX' }, 400, 'SecurityGroupRuleInvalidEtherType'],
    [{ protocol: 'nonsense' }, 400, 'SecurityGroupRuleInvalidProtocol'],
    [{ protocol: 256 }, 400, 'SecurityGroupRuleInvalidProtocol'],
    [{ port_range_min: 1, port_range_max: 2 }, 400, 'SecurityGroupProtocolRequiredWithPorts'],
    [{ protocol: 'tcp', port_range_min: 9, port_range_max: 2 }, 400, 'SecurityGroupInvalidPortRange'],
    [{ protocol: 'tcp', port_range_min: 9 }, 400, 'SecurityGroupInvalidPortRange'],
    [{ protocol: 'udp', port_range_min: 9, port_range_max: 70_000 }, 400, 'SecurityGroupInvalidPortValue'],
    [{ protocol: 'icmp', port_range_min: 256 }, 400, 'SecurityGroupInvalidIcmpValue'],
    [{ protocol: 'icmp', port_range_max: 1 }, 400, 'SecurityGroupMissingIcmpType'],
    [{ protocol: 'gre', port_range_min: 1, port_range_max: 1 }, 400, 'SecurityGroupInvalidProtocolForPort'],
    [{ protocol: 'icmpv6' }, 400, 'SecurityGroupEthertypeConflictWithProtocol'],
    [{ remote_ip_prefix: 'x' }, 400],
    [{ remote_ip_prefix: 'fd00::/64' }, 400, 'SecurityGroupRuleParameterConflict'],
    [{ remote_ip_prefix: '10.0.0.0/8', remote_group_id: group.id }, 400],
    [{ remote_group_id: unknown }, 404, 'SecurityGroupNotFound'],
    [{ security_group_id: unknown }, 404, 'SecurityGroupNotFound'],
  ]
  for (const [body, status, type] of bad)
    await refused(post(member, 'security_group_rule', { ...base, ...body }), status, type)
})
