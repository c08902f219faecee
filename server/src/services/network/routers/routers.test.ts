import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emit } from '#lib/event.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { router as routerTable } from '../model.ts'
import { eq } from '#lib/db.ts'
import { change, externalNet, make, netWith, pathOf, post, put, refused, remove, show } from '../testing/calls.ts'

const add = (cloud: TestCloud, id: string, body: Record<string, unknown>) =>
  cloud.as('member').put(`${pathOf('router', id)}/add_router_interface`, body)
const take = (cloud: TestCloud, id: string, body: Record<string, unknown>) =>
  cloud.as('member').put(`${pathOf('router', id)}/remove_router_interface`, body)
const hostOf = async (cloud: TestCloud, id: string) =>
  (await cloud.db.select().from(routerTable).where(eq(routerTable.id, id)))[0]!.host

test('a router is connected by subnet and by port, and disconnected', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const { network: second } = await netWith(member, '10.1.0.0/24')
  const router = await make(member, 'router', { name: 'r' })
  assert.deepEqual([router.status, router.external_gateway_info, router.routes], ['ACTIVE', null, []])
  const first = await add(cloud, router.id, { subnet_id: subnet.id })
  assert.equal(first.status, 200, first.text)
  const port = await show(member, 'port', first.json.port_id)
  assert.deepEqual(
    [port.device_owner, port.device_id, port.fixed_ips[0].ip_address, port.security_groups, port.network_id],
    ['network:router_interface', router.id, '10.0.0.1', [], network.id],
  )
  await refused(add(cloud, router.id, { subnet_id: subnet.id }), 400, 'BadRequest')
  await refused(member.delete(pathOf('port', port.id)), 409, 'ServicePortInUse')
  await refused(member.delete(pathOf('router', router.id)), 409, 'RouterInUse')
  await refused(member.delete(pathOf('network', network.id)), 409, 'NetworkInUse')
  const own = await make(member, 'port', { network_id: second.id })
  assert.equal((await add(cloud, router.id, { port_id: own.id })).status, 200)
  await refused(add(cloud, router.id, { port_id: own.id }), 409, 'PortInUse')
  await refused(take(cloud, router.id, { port_id: own.id, subnet_id: subnet.id }), 409, 'SubnetMismatchForPort')
  assert.equal((await take(cloud, router.id, { port_id: own.id })).status, 200)
  await refused(member.get(pathOf('port', own.id)), 404)
  assert.equal((await take(cloud, router.id, { subnet_id: subnet.id })).status, 200)
  await refused(take(cloud, router.id, { subnet_id: subnet.id }), 404, 'RouterInterfaceNotFoundForSubnet')
  await remove(member, 'router', router.id)
})

test('what a router may not be connected to', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { subnet } = await netWith(member, '10.0.0.0/24')
  const { subnet: same } = await netWith(member, '10.0.0.0/16')
  const { network: bare, subnet: gateless } = await netWith(member, '10.3.0.0/24', { gateway_ip: null })
  const router = await make(member, 'router', {})
  await add(cloud, router.id, { subnet_id: subnet.id })
  await refused(add(cloud, router.id, { subnet_id: same.id }), 400, 'BadRequest')
  await refused(add(cloud, router.id, { subnet_id: gateless.id }), 400, 'BadRequest')
  await refused(add(cloud, router.id, {}), 400, 'BadRequest')
  await refused(add(cloud, router.id, { subnet_id: subnet.id, port_id: router.id }), 400, 'BadRequest')
  await refused(add(cloud, router.id, { subnet_id: router.id }), 404, 'SubnetNotFound')
  await refused(add(cloud, router.id, { port_id: router.id }), 404, 'PortNotFound')
  await refused(put(member, 'router', router.id, { external_gateway_info: { network_id: bare.id } }), 400, 'BadRequest')
  await refused(
    put(member, 'router', router.id, { external_gateway_info: { network_id: router.id } }),
    404,
    'NetworkNotFound',
  )
  await refused(cloud.as('other').get(pathOf('router', router.id)), 404, 'RouterNotFound')
  const others = await netWith(cloud.as('other'), '10.4.0.0/24')
  await refused(
    put(member, 'router', router.id, { external_gateway_info: { network_id: others.network.id } }),
    404,
    'NetworkNotFound',
  )
  await refused(add(cloud, router.id, { subnet_id: others.subnet.id }), 404, 'SubnetNotFound')
  await refused(
    put(member, 'router', router.id, { routes: [{ destination: '0.0.0.0/0', nexthop: '10.9.0.1' }] }),
    400,
    'InvalidRoutes',
  )
  await refused(
    put(member, 'router', router.id, { routes: [{ destination: '0.0.0.0/0', nexthop: '10.0.0.1' }] }),
    400,
    'InvalidRoutes',
  )
})

test('static routes hold the interface that they need', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { subnet } = await netWith(member, '10.0.0.0/24')
  const router = await make(member, 'router', {})
  await add(cloud, router.id, { subnet_id: subnet.id })
  const routes = [{ destination: '192.168.0.0/16', nexthop: '10.0.0.9' }]
  assert.deepEqual((await change(member, 'router', router.id, { routes })).routes, routes)
  await refused(take(cloud, router.id, { subnet_id: subnet.id }), 409, 'RouterInterfaceInUseByRoute')
  const more = { router: { routes: [{ destination: '172.16.0.0/12', nexthop: '10.0.0.8' }] } }
  const added = await member.put(`${pathOf('router', router.id)}/add_extraroutes`, more)
  assert.equal(added.json.router.routes.length, 2)
  const less = await member.put(`${pathOf('router', router.id)}/remove_extraroutes`, { router: { routes } })
  assert.deepEqual(less.json.router.routes, more.router.routes)
})

test('IPv6 subnets of one network share the router’s port', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const modes = { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }
  const { network, subnet } = await netWith(member, 'fd00:1::/64', modes)
  const second = await make(member, 'subnet', { network_id: network.id, ip_version: 6, cidr: 'fd00:2::/64', ...modes })
  const alien = await make(member, 'subnet', {
    network_id: network.id,
    ip_version: 6,
    cidr: 'fd00:3::/64',
    ipv6_address_mode: 'slaac',
  })
  const router = await make(member, 'router', {})
  const one = await add(cloud, router.id, { subnet_id: subnet.id })
  const two = await add(cloud, router.id, { subnet_id: second.id })
  assert.equal(one.json.port_id, two.json.port_id)
  await refused(add(cloud, router.id, { subnet_id: alien.id }), 400, 'BadRequest')
  await take(cloud, router.id, { subnet_id: subnet.id })
  const left = await show(member, 'port', one.json.port_id)
  assert.deepEqual(left.fixed_ips, [{ subnet_id: second.id, ip_address: 'fd00:2::1' }])
})

test('a router with something to route is on a host that reaches its external network, and leaves one that is gone', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network: external } = await externalNet(cloud.as('admin'))
  const { subnet } = await netWith(member, '10.0.0.0/24')
  const router = await make(member, 'router', { external_gateway_info: { network_id: external.id } })
  const info = router.external_gateway_info
  assert.deepEqual([info.network_id, info.enable_snat, info.external_fixed_ips.length], [external.id, true, 1])
  const first = await hostOf(cloud, router.id)
  assert.match(first, /^sim-/)
  const { json } = await add(cloud, router.id, { subnet_id: subnet.id })
  const port = await show(cloud.as('admin'), 'port', json.port_id)
  assert.deepEqual([port['binding:host_id'], port.status], [first, 'ACTIVE'])
  const region = cloud.app.world.config.region
  const seen = (host: string) =>
    cloud.db.transaction((tx) =>
      emit(tx, {
        type: 'host.seen',
        resourceId: host,
        region,
        payload: { tunnelAddress: '10.9.9.9', physicalNetworks: ['public'] },
      }),
    )
  const gone = (host: string) => cloud.db.transaction((tx) => emit(tx, { type: 'host.gone', resourceId: host, region }))
  await seen('other-host')
  for (const host of ['sim-0001', 'sim-0002', 'sim-0003']) await gone(host)
  assert.equal(await hostOf(cloud, router.id), 'other-host')
  await gone('other-host')
  assert.equal(await hostOf(cloud, router.id), 'other-host', 'nobody else can carry it')
  await seen('third-host')
  assert.equal(await hostOf(cloud, router.id), 'third-host')
  await change(member, 'router', router.id, { external_gateway_info: {} })
  await take(cloud, router.id, { subnet_id: subnet.id })
  assert.equal(await hostOf(cloud, router.id), '')
  await refused(post(member, 'router', { external_gateway_info: { network_id: external.id, enable_snat: false } }), 403)
  const plain = await make(cloud.as('admin'), 'router', {
    external_gateway_info: {
      network_id: external.id,
      enable_snat: false,
      external_fixed_ips: [{ ip_address: '203.0.113.77' }],
    },
  })
  assert.deepEqual(
    [plain.external_gateway_info.enable_snat, plain.external_gateway_info.external_fixed_ips[0].ip_address],
    [false, '203.0.113.77'],
  )
})
