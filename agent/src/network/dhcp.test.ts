import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dhcpAddresses, renderDhcp, servedSubnets } from './dhcp.ts'
import { portIn, tenantNetwork } from './testing/documents.ts'

const base = tenantNetwork({ id: 'net-1' })
const [four, six] = base.subnets
assert.ok(four !== undefined && six !== undefined)
const v4 = { ...four, id: 'sub-4', routes: [{ destination: '198.51.100.9/24', nexthop: '10.0.0.9' }] }
const v6 = {
  ...six,
  id: 'sub-6',
  dhcp: true,
  dhcpAddress: 'FD00:1::2',
  raMode: 'dhcpv6-stateful' as const,
  addressMode: 'dhcpv6-stateful' as const,
  dns: ['fd00::53'],
}
const network = { ...base, subnets: [v4, v6] }
const port = portIn(network, 11, {
  id: 'port-11',
  dhcpOptions: [
    { name: 'bootfile-name', value: 'a', version: 4 },
    { name: '66', value: 'boot.example.org', version: 4 },
    { name: 'option6:dns-server', value: '[fd00::1]', version: 6 },
  ],
})

test('a network of both versions, whole', () => {
  const files = renderDhcp(network, [port], '/run/x')
  assert.equal(
    files.config,
    `user=nobody
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
interface=dhcp0
dhcp-authoritative
dhcp-lease-max=65536
dhcp-hostsfile=/run/x/hosts
dhcp-optsfile=/run/x/options
dhcp-range=set:ssub4,10.0.0.0,static,255.255.255.0,86400
dhcp-range=set:ssub6,fd00:1::,static,64,86400
`,
  )
  assert.equal(
    files.hosts,
    `fa:16:3e:01:00:0b,set:pport11,guest-11,10.0.0.11
fa:16:3e:01:00:0b,set:pport11,guest-11,[fd00:1::11]
`,
  )
  assert.equal(
    files.options,
    `tag:ssub4,3,10.0.0.1
tag:ssub4,6,192.0.2.53
tag:ssub4,15,example.org
tag:ssub4,26,1400
tag:ssub4,121,169.254.169.254/32,10.0.0.2,198.51.100.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1
tag:ssub4,249,169.254.169.254/32,10.0.0.2,198.51.100.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1
tag:ssub6,option6:23,[fd00::53]
tag:ssub6,option6:24,example.org
tag:pport11,option:bootfile-name,a
tag:pport11,66,boot.example.org
tag:pport11,option6:dns-server,[fd00::1]
`,
  )
})

test('a subnet without gateway and name servers says so; another subnet of the network is on the link', () => {
  const lonely = { ...v4, gateway: null, dns: [], routes: [] }
  const second = { ...v4, id: 'sub-5', cidr: '10.0.5.0/24', dhcp: false, dhcpAddress: null }
  const { options } = renderDhcp({ ...network, domain: '', subnets: [lonely, second] }, [], '/run/x')
  assert.equal(
    options,
    `tag:ssub4,3
tag:ssub4,6
tag:ssub4,26,1400
tag:ssub4,121,169.254.169.254/32,10.0.0.2,10.0.5.0/24,0.0.0.0
tag:ssub4,249,169.254.169.254/32,10.0.0.2,10.0.5.0/24,0.0.0.0
`,
  )
})

test('what users write cannot break out of its line', () => {
  const bad = {
    ...port,
    hostname: 'guest\ndhcp-script=/bin/evil',
    dhcpOptions: [
      { name: '66', value: 'a\ntag:x,3,6.6.6.6', version: 4 as const },
      { name: '66,evil', value: 'a', version: 4 as const },
    ],
  }
  const files = renderDhcp({ ...network, domain: 'a\nb', subnets: [v4] }, [bad], '/run/x')
  assert.equal(files.hosts, 'fa:16:3e:01:00:0b,set:pport11,10.0.0.11\n')
  assert.doesNotMatch(files.options, /evil|6\.6\.6\.6|,15,/)
})

test('an option too long for a line is left out, for its rest would be read as a line of its own', () => {
  const value = `${'x'.repeat(1100)}tag:ssub4,3,10.0.0.66`
  const greedy = portIn(network, 12, { dhcpOptions: [{ name: '66', value, version: 4 }] })
  const { options } = renderDhcp(network, [greedy], '/run/x')
  assert.doesNotMatch(options, /10\.0\.0\.66/)
})

test('who answers DHCPv6', () => {
  const served = (changes: Partial<typeof six>): boolean =>
    servedSubnets({ ...network, subnets: [{ ...v6, ...changes }] }).length === 1
  assert.equal(served({}), true)
  assert.equal(served({ addressMode: 'dhcpv6-stateless' }), true)
  assert.equal(served({ addressMode: 'slaac' }), false)
  assert.equal(served({ addressMode: null, raMode: 'slaac' }), false, 'somebody else does')
  assert.equal(served({ addressMode: null, raMode: null }), true)
  assert.equal(served({ dhcp: false }), false)
  const stateless = { ...v6, addressMode: 'dhcpv6-stateless' as const }
  assert.equal(renderDhcp({ ...network, subnets: [stateless] }, [port], '/run/x').hosts, '', 'options only')
})

test('the addresses of the server', () => {
  assert.deepEqual(dhcpAddresses(network), ['10.0.0.2/24', 'fd00:1::2/64', '169.254.169.254/32'])
  assert.deepEqual(dhcpAddresses({ ...network, subnets: [{ ...v4, dhcp: false }] }), [])
})
