import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canonical,
  canonicalMac,
  contains,
  linkLocal,
  netmask,
  networkAddress,
  parseCidr,
  toNumber,
} from './address.ts'

test('one spelling for each address', () => {
  assert.equal(canonical('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')
  assert.equal(canonical('192.0.2.1'), '192.0.2.1')
  assert.throws(() => canonical('192.0.2.256'), /no IP address/)
  assert.throws(() => canonical('$(reboot)'), /no IP address/)
  assert.equal(canonicalMac('FA:16:3E:00:00:01'), 'fa:16:3e:00:00:01')
  assert.throws(() => canonicalMac('fa:16:3e:00:00'), /no MAC/)
})

test('ranges', () => {
  assert.deepEqual(parseCidr('10.0.0.1'), { address: '10.0.0.1', prefix: 32, version: 4 })
  assert.deepEqual(parseCidr('FD00::1/64'), { address: 'fd00::1', prefix: 64, version: 6 })
  assert.throws(() => parseCidr('10.0.0.0/33'), /prefix/)
  assert.equal(networkAddress('10.1.2.3/20'), '10.1.0.0')
  assert.equal(networkAddress('2001:db8:ffff::9/33'), '2001:db8:8000::')
  assert.equal(networkAddress('192.0.2.7/0'), '0.0.0.0')
  assert.equal(contains('10.0.0.0/8', '10.255.0.1'), true)
  assert.equal(contains('10.0.0.0/24', '10.0.1.1'), false)
  assert.equal(contains('::/0', '10.0.0.1'), false)
  assert.equal(netmask(20), '255.255.240.0')
  assert.equal(netmask(0), '0.0.0.0')
  assert.equal(toNumber('::ffff:1'), 0xffff0001n)
})

test('the link-local address of a MAC', () => {
  assert.equal(linkLocal('fa:16:3e:01:00:0b'), 'fe80::f816:3eff:fe01:b')
  assert.equal(linkLocal('52:54:00:00:00:01'), 'fe80::5054:ff:fe00:1')
})
