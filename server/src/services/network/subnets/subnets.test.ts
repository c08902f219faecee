import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { change, externalNet, make, netWith, pathOf, post, put, refused, remove, show } from '../testing/calls.ts'

test('a subnet gets a gateway and pools; both can be chosen', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  assert.deepEqual(
    [subnet.gateway_ip, subnet.allocation_pools, subnet.enable_dhcp],
    ['10.0.0.1', [{ start: '10.0.0.2', end: '10.0.0.254' }], true],
  )
  assert.deepEqual((await show(member, 'network', network.id)).subnets, [subnet.id])
  const other = await make(member, 'subnet', {
    network_id: network.id,
    ip_version: 4,
    cidr: '10.0.1.0/24',
    gateway_ip: null,
    allocation_pools: [{ start: '10.0.1.10', end: '10.0.1.20' }],
    dns_nameservers: ['9.9.9.9'],
    host_routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.1.9' }],
  })
  assert.equal(other.gateway_ip, null)
  const after = await change(member, 'subnet', other.id, {
    gateway_ip: '10.0.1.1',
    dns_nameservers: ['1.1.1.1', '8.8.8.8'],
    host_routes: [],
    enable_dhcp: false,
    name: 'x',
  })
  assert.deepEqual(
    [after.gateway_ip, after.dns_nameservers, after.host_routes, after.enable_dhcp, after.name],
    ['10.0.1.1', ['1.1.1.1', '8.8.8.8'], [], false, 'x'],
  )
  await remove(member, 'subnet', other.id)
  await refused(member.get(pathOf('subnet', other.id)), 404, 'SubnetNotFound')
})

test('what a subnet may not be', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/24')
  const base = { network_id: network.id, ip_version: 4 }
  const bad: [Record<string, unknown>, number, string][] = [
    [{ cidr: '10.0.0.128/25' }, 400, 'InvalidInput'], // overlaps
    [{ cidr: '10.0.0.0/8' }, 400, 'InvalidInput'],
    [{ cidr: '10.0.1.5/24' }, 400, 'InvalidInput'],
    [{ cidr: 'fd00::/64' }, 400, 'InvalidInput'],
    [{ cidr: '0.0.0.0/0' }, 400, 'InvalidInput'],
    [{ cidr: '224.0.0.0/24' }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/31' }, 400, 'InvalidInput'],
    [{ cidr: 'nonsense' }, 400, 'InvalidInput'],
    [{}, 400, 'BadRequest'],
    [{ cidr: '10.1.0.0/24', gateway_ip: '10.1.0.0' }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', gateway_ip: '10.1.0.255' }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', ipv6_ra_mode: 'slaac' }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', dns_nameservers: ['x'] }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', dns_nameservers: ['1.1.1.1', '1.1.1.1'] }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', host_routes: [{ destination: 'x', nexthop: '1.1.1.1' }] }, 400, 'InvalidInput'],
    [{ cidr: '10.1.0.0/24', allocation_pools: [{ start: '10.1.0.9', end: '10.1.0.5' }] }, 400, 'InvalidAllocationPool'],
    [
      { cidr: '10.1.0.0/24', allocation_pools: [{ start: '10.1.0.9', end: '10.1.1.5' }] },
      400,
      'OutOfBoundsAllocationPool',
    ],
    [
      {
        cidr: '10.1.0.0/24',
        allocation_pools: [
          { start: '10.1.0.9', end: '10.1.0.20' },
          { start: '10.1.0.20', end: '10.1.0.30' },
        ],
      },
      409,
      'OverlappingAllocationPools',
    ],
    [
      { cidr: '10.1.0.0/24', gateway_ip: '10.1.0.9', allocation_pools: [{ start: '10.1.0.9', end: '10.1.0.20' }] },
      409,
      'GatewayConflictWithAllocationPools',
    ],
  ]
  for (const [body, status, type] of bad) await refused(post(member, 'subnet', { ...base, ...body }), status, type)
  const six = { network_id: network.id, ip_version: 6 }
  for (const body of [
    { cidr: 'fd00::/64', ipv6_ra_mode: 'slaac', ipv6_address_mode: 'dhcpv6-stateful' },
    { cidr: 'fd00::/80', ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' },
    { cidr: 'fd00::/64', ipv6_ra_mode: 'slaac', enable_dhcp: false },
  ])
    await refused(post(member, 'subnet', { ...six, ...body }), 400, 'InvalidInput')
  await refused(post(member, 'subnet', { ...base, network_id: 'x', cidr: '10.1.0.0/24' }), 400)
  const unknown = '01a1fc39-0c39-720a-b991-c4b6bcd079e8'
  await refused(post(member, 'subnet', { ...base, network_id: unknown, cidr: '10.1.0.0/24' }), 404, 'NetworkNotFound')
})

test('a subnet of a stranger’s network is not there; of a shared one it cannot be made', async (t) => {
  const cloud = await testCloud(t)
  const { network, subnet } = await netWith(cloud.as('member'), '10.0.0.0/24')
  const more = { network_id: network.id, ip_version: 4, cidr: '10.1.0.0/24' }
  await refused(cloud.as('other').get(pathOf('subnet', subnet.id)), 404)
  await refused(post(cloud.as('other'), 'subnet', more), 404, 'NetworkNotFound')
  await change(cloud.as('admin'), 'network', network.id, { shared: true })
  assert.equal((await show(cloud.as('other'), 'subnet', subnet.id)).id, subnet.id)
  await refused(post(cloud.as('other'), 'subnet', more), 403)
  const { subnet: outside } = await externalNet(cloud.as('admin'))
  await refused(cloud.as('other').get(pathOf('subnet', outside.id)), 404, 'SubnetNotFound')
})

test('a subnet in use stays; addresses that machines make for themselves do not hold it', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const port = await make(member, 'port', { network_id: network.id })
  await refused(member.delete(pathOf('subnet', subnet.id)), 409, 'SubnetInUse')
  await refused(member.delete(pathOf('network', network.id)), 409, 'NetworkInUse')
  const auto = await make(member, 'subnet', {
    network_id: network.id,
    ip_version: 6,
    cidr: 'fd00:1::/64',
    ipv6_ra_mode: 'slaac',
    ipv6_address_mode: 'slaac',
  })
  const addresses = async () => (await show(member, 'port', port.id)).fixed_ips.length
  assert.equal(await addresses(), 2, 'a port that is there gets an address in a new SLAAC subnet')
  await remove(member, 'subnet', auto.id)
  assert.equal(await addresses(), 1)
  await remove(member, 'port', port.id)
  await remove(member, 'network', network.id)
})

test('the gateway cannot change under a router', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { subnet } = await netWith(member, '10.0.0.0/24', {
    allocation_pools: [{ start: '10.0.0.10', end: '10.0.0.20' }],
  })
  const router = await make(member, 'router', {})
  await member.put(`${pathOf('router', router.id)}/add_router_interface`, { subnet_id: subnet.id })
  await refused(put(member, 'subnet', subnet.id, { gateway_ip: '10.0.0.2' }), 409, 'GatewayIpInUse')
})

test('pools of prefixes: allocation, bounds, quota, scopes', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const pool = await make(member, 'subnetpool', {
    name: 'p',
    prefixes: ['10.10.1.0/24', '10.10.0.0/24'],
    default_prefixlen: 26,
    min_prefixlen: 25,
    default_quota: 192,
  })
  assert.deepEqual([pool.prefixes, pool.ip_version, pool.min_prefixlen], [['10.10.0.0/23'], 4, '25'])
  const network = await make(member, 'network', {})
  const base = { network_id: network.id, ip_version: 4, subnetpool_id: pool.id }
  assert.equal((await make(member, 'subnet', base)).cidr, '10.10.0.0/26')
  assert.equal((await make(member, 'subnet', { ...base, prefixlen: 27 })).cidr, '10.10.0.64/27')
  assert.equal((await make(member, 'subnet', { ...base, cidr: '10.10.1.0/27' })).cidr, '10.10.1.0/27')
  await refused(post(member, 'subnet', { ...base, cidr: '10.10.1.0/26' }), 409, 'SubnetAllocationError')
  await refused(post(member, 'subnet', { ...base, prefixlen: 24 }), 400, 'MinPrefixSubnetAllocationError')
  await refused(post(member, 'subnet', { ...base, prefixlen: 25 }), 409, 'SubnetPoolQuotaExceeded')
  await refused(
    post(member, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.99.0.0/24' }),
    400,
    'NetworkSubnetPoolAffinityError',
  )
  await refused(member.delete(pathOf('subnetpool', pool.id)), 400, 'SubnetPoolDeleteError')
  await refused(
    put(member, 'subnetpool', pool.id, { prefixes: ['10.10.0.0/24'] }),
    400,
    'IllegalSubnetPoolPrefixUpdate',
  )
  const grown = await member.put(`${pathOf('subnetpool', pool.id)}/add_prefixes`, { prefixes: ['10.20.0.0/24'] })
  assert.deepEqual(grown.json, { prefixes: ['10.10.0.0/23', '10.20.0.0/24'] })
  const shrunk = await member.put(`${pathOf('subnetpool', pool.id)}/remove_prefixes`, { prefixes: ['10.20.0.0/25'] })
  assert.deepEqual(shrunk.json, { prefixes: ['10.10.0.0/23', '10.20.0.128/25'] })
  const scope = await make(member, 'address_scope', { name: 's', ip_version: 4 })
  const scoped = { name: 'q', prefixes: ['10.50.0.0/16'], address_scope_id: scope.id }
  await make(member, 'subnetpool', scoped)
  await refused(post(member, 'subnetpool', scoped), 409, 'AddressScopePrefixConflict')
  await refused(member.delete(pathOf('address_scope', scope.id)), 409, 'AddressScopeInUse')
  await refused(cloud.as('other').get(pathOf('subnetpool', pool.id)), 404)
  await refused(post(member, 'subnetpool', { name: 'x', prefixes: ['10.0.0.0/8', 'fd00::/48'] }), 400)
})
