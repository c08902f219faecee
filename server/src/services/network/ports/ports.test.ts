import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeApp } from '#app'
import { openDatabase, sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { change, make, netWith, pathOf, post, put, refused, remove, show, type Thing } from '../testing/calls.ts'

const addresses = (port: Thing): string[] => port.fixed_ips.map(({ ip_address }: Thing) => ip_address)

test('a port gets an address, a MAC and the default group', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const port = await make(member, 'port', { network_id: network.id, name: 'p' })
  assert.match(port.mac_address, /^fa:16:3e:/)
  assert.equal(port.fixed_ips[0].subnet_id, subnet.id)
  assert.equal(port.status, 'DOWN')
  const groups = (await member.get('/network/v2.0/security-groups')).json.security_groups
  assert.deepEqual(port.security_groups, [groups.find(({ name }: Thing) => name === 'default').id])
  assert.equal('binding:host_id' in port, false)
  assert.equal((await show(cloud.as('admin'), 'port', port.id))['binding:vif_type'], 'unbound')
  await refused(cloud.as('other').get(pathOf('port', port.id)), 404, 'PortNotFound')
  await remove(member, 'port', port.id)
})

test('addresses asked for: by value, by subnet, refused when they do not fit', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const second = await make(member, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.0.1.0/24' })
  const on = { network_id: network.id }
  const port = await make(member, 'port', { ...on, fixed_ips: [{ ip_address: '10.0.0.7' }, { subnet_id: second.id }] })
  assert.equal(addresses(port)[0], '10.0.0.7')
  assert.match(addresses(port)[1]!, /^10\.0\.1\./)
  const ask = (...fixed_ips: unknown[]) => post(member, 'port', { ...on, fixed_ips })
  await refused(ask({ ip_address: '10.0.0.7' }), 409, 'IpAddressAlreadyAllocated')
  await refused(ask({ ip_address: '10.7.0.1' }), 400, 'InvalidIpForNetwork')
  await refused(ask({ subnet_id: subnet.id, ip_address: '10.0.1.1' }), 400, 'InvalidIpForSubnet')
  await refused(ask({ ip_address: '10.0.0.0' }), 400, 'InvalidIpForSubnet')
  await refused(ask({ ip_address: 'x' }), 400)
  await refused(ask({ subnet_id: network.id }), 400, 'InvalidInput')
  await refused(ask({ ip_address: '10.0.0.9' }, { ip_address: '10.0.0.9' }), 400)
  const without = await make(member, 'port', { ...on, fixed_ips: [] })
  assert.deepEqual(addresses(without), [])
  const moved = await change(member, 'port', port.id, {
    fixed_ips: [{ ip_address: '10.0.0.7' }, { ip_address: '10.0.0.8' }],
  })
  assert.deepEqual(addresses(moved), ['10.0.0.7', '10.0.0.8'])
  const found = await member.get(`/network/v2.0/ports?fixed_ips=ip_address=10.0.0.8&fixed_ips=subnet_id=${subnet.id}`)
  assert.deepEqual(
    found.json.ports.map(({ id }: Thing) => id),
    [port.id],
  )
  assert.equal((await member.get('/network/v2.0/ports?fixed_ips=ip_address_substr=10.0.1')).json.ports.length, 0)
})

test('IPv6: SLAAC and stateless addresses are the machine’s own, stateful ones come from the pool', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const mac = 'fa:16:3e:00:01:02'
  for (const mode of ['slaac', 'dhcpv6-stateless', 'dhcpv6-stateful']) {
    const { network, subnet } = await netWith(member, 'fd00:1::/64', { ipv6_ra_mode: mode, ipv6_address_mode: mode })
    const port = await make(member, 'port', { network_id: network.id, mac_address: mac })
    const own = addresses(port)[0] === 'fd00:1::f816:3eff:fe00:102'
    assert.equal(own, mode !== 'dhcpv6-stateful', mode)
    const ask = post(member, 'port', {
      network_id: network.id,
      fixed_ips: [{ subnet_id: subnet.id, ip_address: 'fd00:1::9' }],
    })
    if (own) await refused(ask, 400, 'AllocationOnAutoAddressSubnet')
    else assert.equal((await ask).status, 201)
  }
  const { network } = await netWith(member, '10.0.0.0/24')
  await make(member, 'subnet', {
    network_id: network.id,
    ip_version: 6,
    cidr: 'fd00:2::/64',
    ipv6_ra_mode: 'slaac',
    ipv6_address_mode: 'slaac',
  })
  await make(member, 'subnet', { network_id: network.id, ip_version: 6, cidr: 'fd00:3::/64' })
  const both = await make(member, 'port', { network_id: network.id })
  assert.deepEqual(
    addresses(both).map((each) => each.split(/[.:]/)[0] + (each.includes('fd00:2') ? ':2' : '')),
    ['10', 'fd00', 'fd00:2'],
  )
})

test('only the owner of a network chooses MAC addresses, pairs and device owners on it', async (t) => {
  const cloud = await testCloud(t)
  const { network } = await netWith(cloud.as('member'), '10.0.0.0/24')
  const other = cloud.as('other')
  const on = { network_id: network.id }
  await refused(post(other, 'port', on), 404, 'NetworkNotFound')
  await change(cloud.as('admin'), 'network', network.id, { shared: true })
  const port = await make(other, 'port', on)
  for (const body of [
    { mac_address: 'fa:16:3e:00:00:01' },
    { fixed_ips: [{ ip_address: '10.0.0.9' }] },
    { allowed_address_pairs: [{ ip_address: '10.0.0.9' }] },
    { port_security_enabled: false },
    { device_owner: 'network:dhcp' },
  ])
    await refused(post(other, 'port', { ...on, ...body }), 403)
  await refused(post(other, 'port', { ...on, 'binding:host_id': 'sim-0001' }), 403)
  assert.equal((await show(cloud.as('member'), 'port', port.id)).id, port.id, 'the network’s owner sees its ports')
  await refused(put(cloud.as('admin'), 'network', network.id, { shared: false }), 409, 'InvalidSharedSetting')
})

test('MAC addresses are unique on a network; security and its absence exclude each other', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/24')
  const on = { network_id: network.id }
  await make(member, 'port', { ...on, mac_address: 'FA:16:3E:00:00:01' })
  await refused(post(member, 'port', { ...on, mac_address: 'fa:16:3e:00:00:01' }), 409, 'MacAddressInUse')
  await refused(post(member, 'port', { ...on, mac_address: 'nonsense' }), 400)
  const open = await make(member, 'port', { ...on, port_security_enabled: false })
  assert.deepEqual(open.security_groups, [])
  await refused(
    put(member, 'port', open.id, { allowed_address_pairs: [{ ip_address: '10.0.0.9' }] }),
    409,
    'AddressPairAndPortSecurityRequired',
  )
  const unknown = '01a1fc39-0c39-720a-b991-c4b6bcd079e8'
  await refused(post(member, 'port', { ...on, security_groups: [unknown] }), 404, 'SecurityGroupNotFound')
  const pair = { ip_address: '10.0.0.9' }
  await refused(post(member, 'port', { ...on, allowed_address_pairs: [pair, pair] }), 400)
  const with1 = await make(member, 'port', { ...on, extra_dhcp_opts: [{ opt_name: 'bootfile-name', opt_value: 'x' }] })
  assert.deepEqual(with1.extra_dhcp_opts, [{ opt_name: 'bootfile-name', opt_value: 'x', ip_version: 4 }])
  const none = await change(member, 'port', with1.id, {
    extra_dhcp_opts: [{ opt_name: 'bootfile-name', opt_value: null }],
  })
  assert.deepEqual(none.extra_dhcp_opts, [])
})

test('quotas count live ports', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/24')
  const quota = `/network/v2.0/quotas/${member.projectId}`
  assert.equal((await cloud.as('admin').put(quota, { quota: { port: 2 } })).json.quota.port, 2)
  const first = await make(member, 'port', { network_id: network.id })
  await make(member, 'port', { network_id: network.id })
  await refused(post(member, 'port', { network_id: network.id }), 409, 'OverQuota')
  await remove(member, 'port', first.id)
  await make(member, 'port', { network_id: network.id })
  const details = (await member.get(`${quota}/details.json`)).json.quota.port
  assert.deepEqual(details, { limit: 2, used: 2, reserved: 0 })
  await refused(cloud.as('other').get(quota), 403)
  await refused(member.put(quota, { quota: { port: 9 } }), 403)
  await refused(cloud.as('admin').put(quota, { quota: { port: -2 } }), 400)
  assert.equal((await cloud.as('admin').delete(quota)).status, 204)
  await refused(cloud.as('admin').delete(quota), 404, 'TenantQuotaNotFound')
})

test('two processes give out every address of a subnet exactly once', async (t) => {
  const cloud = await testCloud(t)
  const [where] = await cloud.db.rows<{ d: string; s: string; p: string; u: string }>(
    sql`select current_database() as d, current_setting('unix_socket_directories') as s,
      current_setting('port') as p, current_user as u`,
  )
  const url = `postgres://${where!.u}@localhost:${where!.p}/${where!.d}?host=${encodeURIComponent(where!.s)}`
  const { world } = cloud.app
  const db = openDatabase(url, world.log, { connections: 4 })
  const second = makeApp(db, world.config, world.log)
  await second.server.ready()
  t.after(() => second.close())
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/27') // 32, less network, broadcast and gateway: 29
  const call = async (app: typeof second) =>
    app.server.inject({
      method: 'POST',
      url: pathOf('port'),
      headers: { 'x-auth-token': member.token, 'content-type': 'application/json' },
      payload: JSON.stringify({ port: { network_id: network.id } }),
    })
  const answers = await Promise.all(Array.from({ length: 36 }, (_, i) => call(i % 2 === 0 ? cloud.app : second)))
  const made = answers.filter(({ statusCode }) => statusCode === 201).map((each) => each.json().port)
  const failed = answers.filter(({ statusCode }) => statusCode !== 201)
  assert.equal(made.length, 29)
  assert.equal(new Set(made.flatMap(addresses)).size, 29)
  assert.equal(new Set(made.map(({ mac_address }: Thing) => mac_address)).size, 29)
  for (const each of failed)
    assert.deepEqual([each.statusCode, each.json().NeutronError.type], [409, 'IpAddressGenerationFailure'])
  const groups = (await member.get('/network/v2.0/security-groups?name=default')).json.security_groups
  assert.equal(groups.length, 1, 'the default group was made once')
  const [one] = made
  await remove(member, 'port', one.id)
  assert.deepEqual(addresses(await make(member, 'port', { network_id: network.id })), addresses(one))
})
