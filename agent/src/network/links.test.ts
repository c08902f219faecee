import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planForwarding, planNeighbours } from './forwarding.ts'
import { planCreation, planPhysical, planSettings } from './links.ts'
import { planAddresses, planLeg, planRoutes } from './legs.ts'
import type { InnerLink, Link } from './read.ts'
import { externalNetwork, portIn, tenantNetwork } from './testing/documents.ts'

const options = { namespace: 'plane', tunnelAddress: '192.0.2.1', physical: {}, qemuUid: 64055 }
const network = tenantNetwork({ id: 'net-1', segment: 77 })
const port = portIn(network, 11, { id: 'port-11' })
const flat = { ...externalNetwork(), id: 'ext-1' }

function link(name: string, changes: Partial<Link> = {}): Link {
  return { name, up: true, mtu: 1400, mac: '', master: 'br-net1', vxlan: undefined, neighSuppress: false, ...changes }
}
const byName = <T extends Link>(...links: T[]): Map<string, T> => new Map(links.map((one) => [one.name, one]))
const tunnel = link('vx-net1', { vxlan: { id: 77, local: '192.0.2.1', port: 4789 }, neighSuppress: true })
const complete = byName(link('br-net1', { master: undefined }), tunnel, link('tapport11'))

test('a network from nothing', () => {
  assert.deepEqual(planCreation(network, [port], options, new Map()), {
    plane: [
      'link add br-net1 mtu 1400 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
      'tuntap add dev tapport11 mode tap user 64055',
    ],
    host: ['link add vx-net1 mtu 1400 netns plane type vxlan id 77 local 192.0.2.1 dstport 4789 nolearning'],
  })
  const fresh = byName(
    link('br-net1', { master: undefined, up: false }),
    link('vx-net1', { master: undefined, up: false }),
    link('tapport11', { master: undefined, up: false, mtu: 1500 }),
  )
  assert.deepEqual(planSettings(network, [port], fresh), [
    'link set tapport11 master br-net1 mtu 1400 up',
    'link set vx-net1 master br-net1 up',
    'link set vx-net1 type bridge_slave neigh_suppress on',
    'link set br-net1 up',
  ])
})

test('what is right is left alone', () => {
  assert.deepEqual(planCreation(network, [port], options, complete), { plane: [], host: [] })
  assert.deepEqual(planSettings(network, [port], complete), [])
})

test('a tunnel of another segment or address is made anew', () => {
  const moved = { ...options, tunnelAddress: '192.0.2.9' }
  assert.deepEqual(planCreation(network, [port], moved, complete), {
    plane: ['link del vx-net1'],
    host: ['link add vx-net1 mtu 1400 netns plane type vxlan id 77 local 192.0.2.9 dstport 4789 nolearning'],
  })
})

test('a port that may take over addresses is heard beyond the tunnel', () => {
  const roaming = { ...port, allowedPairs: [{ mac: port.mac, cidr: '10.0.0.100/32' }] }
  assert.deepEqual(planSettings(network, [roaming], complete), [
    'link set vx-net1 type bridge_slave neigh_suppress off',
  ])
})

test('a flat network: its leg, and the bridge of the host made once', () => {
  const { host } = planCreation(flat, [], options, byName(link('br-ext1')))
  assert.deepEqual(host, ['link add pl-b40ece1d92a mtu 1500 type veth peer name ph-ext1 mtu 1500 netns plane'])
  const target = { bridge: 'ext', address: '172.24.4.1/24' }
  assert.deepEqual(planPhysical(flat, target, 'plane', new Map()), {
    bridge: [
      'link add ext type bridge stp_state 0 forward_delay 0',
      'addr replace 172.24.4.1/24 dev ext',
      'link set ext up',
    ],
    leg: ['link set pl-b40ece1d92a master ext mtu 1500 up'],
  })
  const there = byName(link('ext'), link('pl-b40ece1d92a', { master: 'ext', mtu: 1500 }))
  assert.deepEqual(planPhysical(flat, target, 'plane', there), { bridge: [], leg: [] })
})

test('forwarding: floods to each peer, an entry for each remote port, never one for the DHCP server', () => {
  const remote = [
    { mac: 'FA:16:3E:01:00:0C', addresses: ['10.0.0.12', 'FD00:1::12'], tunnelAddress: '192.0.2.2' },
    { mac: network.dhcpMac, addresses: ['10.0.0.2'], tunnelAddress: '192.0.2.3' },
  ]
  const wished = { ...network, remote }
  const first = [
    'fdb append 00:00:00:00:00:00 dev vx-net1 dst 192.0.2.2 self permanent',
    'fdb append fa:16:3e:01:00:0c dev vx-net1 dst 192.0.2.2 self permanent',
    'fdb replace fa:16:3e:01:00:0c dev vx-net1 master static',
  ]
  assert.deepEqual(planForwarding(wished, []), first)
  const entry = { link: 'vx-net1', state: 'permanent', ofBridge: false }
  const now = [
    { ...entry, mac: '00:00:00:00:00:00', peer: '192.0.2.2' },
    { ...entry, mac: 'fa:16:3e:01:00:0c', peer: '192.0.2.2' },
    { ...entry, mac: 'fa:16:3e:01:00:0c', peer: undefined, state: 'static', ofBridge: true },
    { ...entry, mac: '3a:00:00:00:00:01', peer: undefined, ofBridge: true }, // the device's own
  ]
  assert.deepEqual(planForwarding(wished, now), [])
  assert.deepEqual(planForwarding(network, now), [
    'fdb del 00:00:00:00:00:00 dev vx-net1 dst 192.0.2.2 self',
    'fdb del fa:16:3e:01:00:0c dev vx-net1 dst 192.0.2.2 self',
    'fdb del fa:16:3e:01:00:0c dev vx-net1 master',
  ])
  const moved = { ...network, remote: remote.map((one) => ({ ...one, tunnelAddress: '192.0.2.4' })) }
  assert.deepEqual(planForwarding(moved, now), [
    'fdb del 00:00:00:00:00:00 dev vx-net1 dst 192.0.2.2 self',
    'fdb append 00:00:00:00:00:00 dev vx-net1 dst 192.0.2.4 self permanent',
    'fdb del fa:16:3e:01:00:0c dev vx-net1 dst 192.0.2.2 self',
    'fdb append fa:16:3e:01:00:0c dev vx-net1 dst 192.0.2.4 self permanent',
  ])
  assert.deepEqual(planNeighbours(wished, [port], [{ address: '10.0.0.99', mac: 'x', link: 'br-net1' }]), [
    'neigh del 10.0.0.99 dev br-net1',
    'neigh replace 10.0.0.12 lladdr fa:16:3e:01:00:0c dev br-net1 nud permanent',
    'neigh replace fd00:1::12 lladdr fa:16:3e:01:00:0c dev br-net1 nud permanent',
  ])
  assert.deepEqual(planNeighbours(wished, [{ ...port, secured: false }], []), [])
})

test('a leg from nothing, and when it is right', () => {
  const leg = {
    outer: 'dh-net1',
    inner: 'dhcp0',
    namespace: 'plane-dhcp-net-1',
    bridge: 'br-net1',
    mac: 'fa:16:3e:00:00:02',
    mtu: 1400,
    addresses: ['10.0.0.2/24', 'FD00:1::2/64'],
  }
  assert.deepEqual(planLeg(leg, new Map(), new Map()), {
    outer: [
      'link add dh-net1 mtu 1400 type veth peer name dhcp0 mtu 1400 address fa:16:3e:00:00:02 netns plane-dhcp-net-1',
      'link set dh-net1 master br-net1 up',
    ],
    inner: [
      'link set lo up',
      'addr add 10.0.0.2/24 dev dhcp0',
      'addr add fd00:1::2/64 dev dhcp0 nodad',
      'link set dhcp0 up',
    ],
    added: ['10.0.0.2', 'fd00:1::2'],
  })
  const inner = (name: string, addresses: string[]): InnerLink => ({
    ...link(name, { mac: leg.mac, master: undefined }),
    addresses,
  })
  const now = byName(inner('lo', []), inner('dhcp0', ['10.0.0.2/24', 'fd00:1::2/64']))
  assert.deepEqual(planLeg(leg, byName(link('dh-net1')), now), { outer: [], inner: [], added: [] })
  // A half that lost its other half is useless.
  assert.equal(planLeg(leg, byName(link('dh-net1')), new Map()).outer[0], 'link del dh-net1')
})

test('addresses and routes: only the difference', () => {
  assert.deepEqual(planAddresses('x', ['10.0.0.3/24'], ['10.0.0.2/24']).lines, [
    'addr add 10.0.0.3/24 dev x',
    'addr del 10.0.0.2/24 dev x',
  ])
  const wished = [
    { destination: '198.51.100.7/24', via: '10.0.0.9', onlink: null },
    { destination: '0.0.0.0/0', via: '192.0.2.1', onlink: 'qg-1' },
    { destination: '0.0.0.0/0', via: '192.0.2.2', onlink: null },
    { destination: '::/0', via: '2001:DB8::1', onlink: null },
  ]
  assert.deepEqual(planRoutes(wished, [{ destination: '203.0.113.5', via: '10.0.0.1', link: 'qr-1' }]), [
    'route del 203.0.113.5 proto static',
    'route replace 198.51.100.0/24 via 10.0.0.9 proto static',
    'route replace default via 192.0.2.1 dev qg-1 onlink proto static',
    'route replace ::/0 via 2001:db8::1 proto static',
  ])
  const now = [
    { destination: '198.51.100.0/24', via: '10.0.0.9', link: 'qr-1' },
    { destination: 'default', via: '192.0.2.1', link: 'qg-1' },
    { destination: 'default', via: '2001:db8::1', link: 'qg-1' },
  ]
  assert.deepEqual(planRoutes(wished, now), [])
  assert.deepEqual(planRoutes([], now.slice(2)), ['route del ::/0 proto static'])
})
