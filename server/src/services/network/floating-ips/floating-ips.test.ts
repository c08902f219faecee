import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { change, externalNet, make, netWith, pathOf, post, put, refused, remove, show } from '../testing/calls.ts'

async function routed(cloud: Awaited<ReturnType<typeof testCloud>>) {
  const member = cloud.as('member')
  const { network: external } = await externalNet(cloud.as('admin'))
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const router = await make(member, 'router', { external_gateway_info: { network_id: external.id } })
  await member.put(`${pathOf('router', router.id)}/add_router_interface`, { subnet_id: subnet.id })
  return { member, external, network, subnet, router }
}

test('a floating IP leads to a port, to another one, and nowhere', async (t) => {
  const cloud = await testCloud(t)
  const { member, external, network, router, subnet } = await routed(cloud)
  const port = await make(member, 'port', { network_id: network.id })
  const made = await make(member, 'floatingip', { floating_network_id: external.id, port_id: port.id })
  assert.match(made.floating_ip_address, /^203\.0\.113\./)
  assert.deepEqual(
    [made.status, made.port_id, made.router_id, made.fixed_ip_address, made.port_details.mac_address],
    ['ACTIVE', port.id, router.id, port.fixed_ips[0].ip_address, port.mac_address],
  )
  await refused(
    post(member, 'floatingip', { floating_network_id: external.id, port_id: port.id }),
    409,
    'FloatingIPPortAlreadyAssociated',
  )
  await refused(
    put(member, 'router', router.id, { external_gateway_info: {} }),
    409,
    'RouterExternalGatewayInUseByFloatingIp',
  )
  await refused(
    member.put(`${pathOf('router', router.id)}/remove_router_interface`, { subnet_id: subnet.id }),
    409,
    'RouterInterfaceInUseByFloatingIP',
  )
  const kept = await change(member, 'floatingip', made.id, { description: 'x' })
  assert.deepEqual([kept.port_id, kept.description], [port.id, 'x'])
  const second = await make(member, 'port', { network_id: network.id })
  assert.equal((await change(member, 'floatingip', made.id, { port_id: second.id })).port_id, second.id)
  await remove(member, 'port', second.id)
  const free = await show(member, 'floatingip', made.id)
  assert.deepEqual([free.status, free.port_id, free.router_id, free.fixed_ip_address], ['DOWN', null, null, null])
  await remove(member, 'floatingip', made.id)
  const left = await cloud.as('admin').get('/network/v2.0/ports?device_owner=network:floatingip')
  assert.deepEqual(left.json.ports, [])
})

test('what a floating IP may not lead to', async (t) => {
  const cloud = await testCloud(t)
  const { member, external, network } = await routed(cloud)
  const unreached = await netWith(member, '10.7.0.0/24')
  const on = { floating_network_id: external.id }
  const lonely = await make(member, 'port', { network_id: unreached.network.id })
  await refused(post(member, 'floatingip', { ...on, port_id: lonely.id }), 404, 'ExternalGatewayForFloatingIPNotFound')
  await refused(post(member, 'floatingip', { floating_network_id: network.id }), 400, 'BadRequest')
  await refused(post(member, 'floatingip', { ...on, fixed_ip_address: '10.0.0.9' }), 400, 'BadRequest')
  await refused(post(member, 'floatingip', { ...on, floating_ip_address: '203.0.113.9' }), 403)
  const two = await make(member, 'port', {
    network_id: network.id,
    fixed_ips: [{ ip_address: '10.0.0.50' }, { ip_address: '10.0.0.51' }],
  })
  await refused(post(member, 'floatingip', { ...on, port_id: two.id }), 400, 'BadRequest')
  const chosen = await make(member, 'floatingip', { ...on, port_id: two.id, fixed_ip_address: '10.0.0.51' })
  assert.equal(chosen.fixed_ip_address, '10.0.0.51')
  await change(member, 'port', two.id, { fixed_ips: [{ ip_address: '10.0.0.50' }] })
  assert.equal((await show(member, 'floatingip', chosen.id)).port_id, null, 'its address is gone')
  await refused(post(cloud.as('other'), 'floatingip', { ...on, port_id: two.id }), 404, 'PortNotFound')
  await refused(cloud.as('other').get(pathOf('floatingip', chosen.id)), 404, 'FloatingIPNotFound')
  const exact = await make(cloud.as('admin'), 'floatingip', { ...on, floating_ip_address: '203.0.113.99' })
  assert.equal(exact.floating_ip_address, '203.0.113.99')
})
