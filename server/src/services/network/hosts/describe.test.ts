import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emit } from '#lib/event.ts'
import { newId } from '#lib/id.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import {
  allocateServerPorts,
  bindPorts,
  networkDataJson,
  networkReports,
  serverPorts,
  type ServerPort,
  type ServerPortsWish,
  unbindServerPorts,
} from '../index.ts'
import { eq, type Tx } from '#lib/db.ts'
import { router as routerTable } from '../model.ts'
import { change, externalNet, make, netWith, pathOf, show } from '../testing/calls.ts'

async function setting(cloud: TestCloud) {
  const { world } = cloud.app
  const at = { world, region: world.config.region }
  for (const [host, tunnelAddress] of [
    ['alpha', '192.0.2.1'],
    ['beta', '192.0.2.2'],
  ] as const)
    await cloud.db.transaction((tx) =>
      emit(tx, {
        type: 'host.seen',
        resourceId: host,
        region: at.region,
        payload: { tunnelAddress, physicalNetworks: ['public'] },
      }),
    )
  const { projectId } = cloud.as('member')
  const server = async (host: string, wish: Partial<ServerPortsWish>): Promise<ServerPort[]> => {
    const serverId = newId()
    return cloud.db.transaction(async (tx: Tx) => {
      await allocateServerPorts(tx, at, {
        projectId,
        serverId,
        hostname: `on-${host}`,
        requested: 'auto',
        securityGroups: [],
        availabilityZone: 'nova',
        actor: { projectId, isAdmin: false, attachesExternal: false },
        ...wish,
      })
      await bindPorts(tx, at, serverId, host)
      return (await serverPorts(tx, [serverId])).get(serverId)!
    })
  }
  return { at, server, describe: (host: string) => networkReports.describeHost(cloud.db, at.region, host) }
}

test('each host carries its own ports and knows where those of the other are', async (t) => {
  const cloud = await testCloud(t)
  const { server, describe, at } = await setting(cloud)
  const { network, subnet } = await netWith(cloud.as('member'), '10.0.0.0/24', { dns_nameservers: ['9.9.9.9'] })
  const [a] = await server('alpha', {})
  const [b] = await server('beta', {})
  const [one, two] = [await describe('alpha'), await describe('beta')]
  assert.deepEqual([one.ports.map(({ id }) => id), two.ports.map(({ id }) => id)], [[a!.id], [b!.id]])
  const [net] = one.networks
  assert.deepEqual([net!.id, net!.kind, net!.mtu], [network.id, 'vxlan', 1450])
  assert.deepEqual(net!.remote, [{ mac: b!.mac, addresses: [b!.addresses[0]!.address], tunnelAddress: '192.0.2.2' }])
  assert.deepEqual(two.networks[0]!.remote[0]!.mac, a!.mac)
  const [sub] = net!.subnets
  assert.deepEqual(
    [sub!.id, sub!.cidr, sub!.gateway, sub!.dhcp, sub!.dns],
    [subnet.id, '10.0.0.0/24', '10.0.0.1', true, ['9.9.9.9']],
  )
  assert.match(sub!.dhcpAddress!, /^10\.0\.0\./)
  assert.equal(sub!.dhcpAddress, two.networks[0]!.subnets[0]!.dhcpAddress, 'the DHCP address is the same everywhere')
  const dhcp = (await cloud.as('member').get(`/network/v2.0/ports?device_owner=network:dhcp`)).json.ports
  assert.deepEqual([dhcp.length, dhcp[0].mac_address], [1, net!.dhcpMac])
  const [spec] = one.ports
  assert.deepEqual([spec!.machineId, spec!.hostname, spec!.secured, spec!.up], [a!.serverId, 'on-alpha', true, true])
  const group = a!.securityGroupIds[0]!
  assert.deepEqual(
    [spec!.rules.length, one.groups[group]!.toSorted()],
    [4, [a!.addresses[0]!.address, b!.addresses[0]!.address].toSorted()],
  )
  await cloud.db.transaction((tx) => networkReports.portsSeen(tx, at.region, 'alpha', [a!.id]))
  const status = async (port: ServerPort) => (await show(cloud.as('member'), 'port', port.id)).status
  assert.deepEqual([await status(a!), await status(b!)], ['ACTIVE', 'DOWN'])
  await cloud.db.transaction((tx) => networkReports.portsSeen(tx, at.region, 'alpha', []))
  assert.equal(await status(a!), 'DOWN')
  await cloud.db.transaction((tx) => unbindServerPorts(tx, at, a!.serverId))
  assert.deepEqual(await describe('alpha'), { networks: [], ports: [], routers: [], groups: {} })
  assert.deepEqual((await describe('beta')).networks[0]!.remote, [])
})

test('a router is on one host, and the others reach its ports there', async (t) => {
  const cloud = await testCloud(t, { simHosts: 1 })
  const member = cloud.as('member')
  const { server, describe } = await setting(cloud)
  const { network: external } = await externalNet(cloud.as('admin'))
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const router = await make(member, 'router', { external_gateway_info: { network_id: external.id } })
  const connected = await member.put(`${pathOf('router', router.id)}/add_router_interface`, { subnet_id: subnet.id })
  const [row] = await cloud.db.select().from(routerTable).where(eq(routerTable.id, router.id))
  const [nic] = await server('alpha', { requested: [{ networkId: network.id }] })
  const floating = await make(member, 'floatingip', { floating_network_id: external.id, port_id: nic!.id })
  const carrier = await describe(row!.host)
  const [spec] = carrier.routers
  assert.deepEqual(
    [spec!.id, spec!.interfaces.map(({ addresses }) => addresses), spec!.gateway!.snat, spec!.gateway!.nexthops],
    [router.id, [['10.0.0.1/24']], true, ['203.0.113.1']],
  )
  assert.match(spec!.gateway!.addresses[0]!, /^203\.0\.113\.\d+\/24$/)
  assert.deepEqual(spec!.floatingIps, [{ floating: floating.floating_ip_address, fixed: nic!.addresses[0]!.address }])
  assert.deepEqual(
    carrier.networks.map(({ kind, physical, remote }) => [kind, physical, remote.length].join(' ')).toSorted(),
    ['flat public 0', 'vxlan  1'],
  )
  const [net] = (await describe('alpha')).networks
  const port = await show(member, 'port', connected.json.port_id)
  assert.ok(net!.remote.some(({ mac, addresses }) => mac === port.mac_address && addresses[0] === '10.0.0.1'))
  const view = await serverPorts(cloud.db, [nic!.serverId])
  assert.deepEqual(view.get(nic!.serverId)![0]!.addresses[0]!.floatingIps, [floating.floating_ip_address])
})

test('what compute asks: the one network, chosen ports, groups by name', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { server, at } = await setting(cloud)
  assert.deepEqual(await server('alpha', {}), [], 'a project without networks: no NIC')
  const { network } = await netWith(member, '10.0.0.0/24')
  const web = await make(member, 'security_group', { name: 'web' })
  const [made] = await server('alpha', { securityGroups: ['web', 'default'] })
  assert.equal(made!.networkId, network.id)
  assert.ok(made!.securityGroupIds.includes(web.id) && made!.securityGroupIds.length === 2)
  const { network: second } = await netWith(member, '10.1.0.0/24')
  const failing = (wish: Partial<ServerPortsWish>, code: string, kind: string) =>
    assert.rejects(server('alpha', wish), (error: { code: string; kind: string }) => {
      assert.deepEqual([error.kind, error.code], [kind, code])
      return true
    })
  await failing({}, 'NetworkAmbiguous', 'conflict')
  await failing({ requested: [{ networkId: 'nonsense' }] }, 'NetworkNotFound', 'invalid')
  await failing({ requested: [{ networkId: network.id, fixedIp: '10.9.0.1' }] }, 'InvalidIpForNetwork', 'invalid')
  await failing({ requested: [{ portId: newId() }] }, 'PortNotFound', 'invalid')
  await failing({ requested: [{ networkId: network.id }], securityGroups: ['x'] }, 'SecurityGroupNotFound', 'invalid')
  await failing({ requested: [{ portId: made!.id }] }, 'PortInUse', 'conflict')
  const { network: external } = await externalNet(cloud.as('admin'))
  await failing({ requested: [{ networkId: external.id }] }, 'ExternalNetworkAttachForbidden', 'forbidden')
  const own = await make(member, 'port', { network_id: second.id, name: 'own' })
  const nics = await server('beta', {
    requested: [
      { portId: own.id, tag: 'first' },
      { networkId: network.id, fixedIp: '10.0.0.77' },
    ],
  })
  assert.deepEqual(
    nics.map(({ id, tag, made: own_, addresses }) => [id === own.id, tag, own_, addresses[0]!.address === '10.0.0.77']),
    [
      [true, 'first', false, false],
      [false, null, true, true],
    ],
  )
  const data = networkDataJson(nics)
  assert.deepEqual(
    [data.links.length, data.networks.map(({ type }) => type), data.links[0]!['ethernet_mac_address']],
    [2, ['ipv4_dhcp', 'ipv4_dhcp'], own.mac_address],
  )
  await cloud.db.transaction((tx) => unbindServerPorts(tx, at, nics[0]!.serverId))
  const kept = await show(member, 'port', own.id)
  assert.deepEqual([kept.device_id, kept.device_owner, kept.status], ['', '', 'DOWN'])
  assert.equal((await member.get(pathOf('port', nics[1]!.id))).status, 404)
  await change(member, 'port', own.id, { name: 'still' })
})
