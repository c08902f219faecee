import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderAdvertisements, renderTranslation, routerLegs, routerRoutes } from './router.ts'
import { externalNetwork, routerFor, tenantNetwork } from './testing/documents.ts'

const tenant = tenantNetwork({ id: 'net-1' })
tenant.subnets = tenant.subnets.map((subnet) => ({
  ...subnet,
  id: `sub-${subnet.version}`,
  ...(subnet.version === 6 ? { raMode: 'dhcpv6-stateful' as const, dns: ['fd00::53'] } : {}),
}))
const external = { ...externalNetwork(), id: 'ext-1' }
const networks = new Map([tenant, external].map((network) => [network.id, network]))
const made = routerFor([tenant], external)
const router = {
  ...made,
  id: 'router-1',
  interfaces: made.interfaces.map((port) => ({ ...port, portId: 'rif-1' })),
  gateway: made.gateway === null ? null : { ...made.gateway, portId: 'rgw-1' },
  floatingIps: [
    { floating: '172.24.4.200', fixed: '10.0.0.11' },
    { floating: '2001:db8::1', fixed: 'fd00:1::11' },
  ],
  routes: [{ destination: '198.51.100.0/24', nexthop: '10.0.0.9' }],
}

test('address translation with a gateway and floating IPs', () => {
  assert.equal(renderTranslation(router), translation)
})

test('without a gateway nothing is translated; with snat off only floating IPs are', () => {
  assert.doesNotMatch(renderTranslation({ ...router, gateway: null }), /snat to|masquerade|172\.24/)
  const plain = renderTranslation({ ...router, gateway: router.gateway && { ...router.gateway, snat: false } })
  assert.match(plain, /oifname "qg-rgw1" snat to ip saddr map @outward/)
  assert.doesNotMatch(plain, /snat to 172/)
})

test('advertisements, by the modes of the subnets', () => {
  assert.equal(renderAdvertisements(router, networks, '/run/x'), advertisements)
  const inMode = (raMode: 'slaac' | 'dhcpv6-stateless' | null): string | null => {
    const subnets = tenant.subnets.map((subnet) => (subnet.version === 6 ? { ...subnet, raMode } : subnet))
    return renderAdvertisements(router, new Map([['net-1', { ...tenant, subnets }]]), '/run/x')
  }
  assert.match(inMode('slaac') ?? '', /^dhcp-range=set:ssub6,fd00:1::,ra-only,64$/m)
  assert.match(inMode('dhcpv6-stateless') ?? '', /^dhcp-range=set:ssub6,fd00:1::,ra-stateless,64$/m)
  assert.equal(inMode(null), null)
})

test('legs and routes', () => {
  const { legs, missing } = routerLegs(router, networks, 'plane')
  assert.deepEqual(missing, [])
  assert.deepEqual(legs[1], {
    outer: 'rp-rgw1',
    inner: 'qg-rgw1',
    namespace: 'plane-router-router-1',
    bridge: 'br-ext1',
    mac: 'fa:16:3e:03:00:64',
    mtu: 1500,
    addresses: ['172.24.4.100/24', '172.24.4.200/32'],
  })
  assert.deepEqual(legs[0]?.addresses, ['10.0.0.1/24', 'fd00:1::1/64'])
  assert.deepEqual(routerLegs(router, new Map([['net-1', tenant]]), 'plane').missing, ['ext-1'])
  assert.deepEqual(routerRoutes(router), [
    { destination: '198.51.100.0/24', via: '10.0.0.9', onlink: null },
    { destination: '0.0.0.0/0', via: '172.24.4.1', onlink: null },
  ])
  const far = router.gateway && { ...router.gateway, nexthops: ['192.0.2.1', '2001:db8::1'] }
  assert.deepEqual(routerRoutes({ ...router, routes: [], gateway: far }), [
    { destination: '0.0.0.0/0', via: '192.0.2.1', onlink: 'qg-rgw1' },
    { destination: '::/0', via: '2001:db8::1', onlink: 'qg-rgw1' },
  ])
})

const translation = `table ip pileus
delete table ip pileus
table ip pileus {
 map inward {
  type ipv4_addr : ipv4_addr
  elements = { 172.24.4.200 : 10.0.0.11 }
 }
 map outward {
  type ipv4_addr : ipv4_addr
  elements = { 10.0.0.11 : 172.24.4.200 }
 }
 chain arriving {
  type nat hook prerouting priority -100; policy accept;
  dnat to ip daddr map @inward
 }
 chain leaving {
  type nat hook postrouting priority 100; policy accept;
  oifname "qg-rgw1" snat to ip saddr map @outward
  oifname "qg-rgw1" snat to 172.24.4.100
  iifname "qr-*" oifname "qr-*" ct status dnat snat to ip saddr map @outward
  iifname "qr-*" oifname "qr-*" ct status dnat masquerade
 }
}
table ip6 pileus
delete table ip6 pileus
table ip6 pileus {
 chain arriving {
  type filter hook input priority 0; policy accept;
  udp dport 547 drop
 }
}
`

const advertisements = `user=nobody
pid-file=/run/x/pid
log-facility=/run/x/log
quiet-dhcp
quiet-dhcp6
quiet-ra
port=0
no-hosts
no-resolv
no-ping
bind-dynamic
leasefile-ro
enable-ra
interface=qr-rif1
ra-param=qr-rif1,mtu:1400,200,1800
dhcp-range=set:ssub6,fd00:1::,static,64
dhcp-option=tag:ssub6,option6:23,[fd00::53]
`
