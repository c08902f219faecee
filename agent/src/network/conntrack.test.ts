import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutConnections, cutFloatingIps } from './conntrack.ts'
import { nothing, openRule, portIn, routerFor, tenantNetwork } from './testing/documents.ts'

const network = tenantNetwork({ id: 'net-1' })
const ssh = { ...openRule('ingress'), protocol: 6, portMin: 22, portMax: 22, remoteCidr: '192.0.2.0/24' }
const friends = { ...openRule('ingress'), remoteGroup: 'friends' }
const port = portIn(network, 11, { rules: [openRule('egress'), ssh, friends] })
const wish = { ...nothing, networks: [network], ports: [port], groups: { friends: ['10.0.0.12', '10.0.0.13'] } }
const zones = new Map([['net-1', 5]])
const cuts = (after: typeof wish): string[] => cutConnections(wish, after, zones).map((words) => words.join(' '))

test('nothing changed, or more is allowed: nothing is cut', () => {
  assert.deepEqual(cuts(wish), [])
  assert.deepEqual(cuts({ ...wish, ports: [{ ...port, rules: [...port.rules, openRule('ingress')] }] }), [])
  assert.deepEqual(cuts({ ...wish, ports: [{ ...port, secured: false, rules: [] }] }), [])
})

test('a rule that went cuts what it allowed, and no more', () => {
  assert.deepEqual(cuts({ ...wish, ports: [{ ...port, rules: [openRule('egress'), friends] }] }), [
    '-D -w 5 -f ipv4 -d 10.0.0.11 -s 192.0.2.0/24 -p tcp --dport 22',
  ])
  assert.deepEqual(cuts({ ...wish, ports: [{ ...port, rules: [ssh, friends] }] }), ['-D -w 5 -f ipv4 -s 10.0.0.11'])
})

test('a member that left its group', () => {
  assert.deepEqual(cuts({ ...wish, groups: { friends: ['10.0.0.13'] } }), ['-D -w 5 -f ipv4 -d 10.0.0.11 -s 10.0.0.12'])
})

test('a port that went, lost an address, or became secured', () => {
  const everything = [
    '-D -w 5 -f ipv4 -s 10.0.0.11',
    '-D -w 5 -f ipv4 -d 10.0.0.11',
    '-D -w 5 -f ipv6 -s fd00:1::11',
    '-D -w 5 -f ipv6 -d fd00:1::11',
  ]
  const other = portIn(network, 12)
  assert.deepEqual(cuts({ ...wish, ports: [other] }), everything)
  assert.deepEqual(cuts({ ...wish, ports: [] }), ['-D -w 5'], 'the last of its network')
  assert.deepEqual(cuts({ ...wish, ports: [{ ...port, addresses: port.addresses.slice(0, 1) }] }), everything.slice(2))
  const unsecured = { ...wish, ports: [{ ...port, secured: false }] }
  const again = cutConnections(unsecured, wish, zones).map((words) => words.join(' '))
  assert.deepEqual(again, everything)
})

test('a floating IP that went or was moved', () => {
  const router = { ...routerFor([network]), floatingIps: [{ floating: '172.24.4.9', fixed: '10.0.0.11' }] }
  assert.deepEqual(cutFloatingIps(router, router), [])
  assert.deepEqual(cutFloatingIps(router, { ...router, floatingIps: [] }), [
    ['-D', '-d', '172.24.4.9'],
    ['-D', '-q', '172.24.4.9'],
  ])
})
