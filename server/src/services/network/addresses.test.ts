import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canonical,
  canonicalMac,
  cidrOf,
  compact,
  contains,
  defaultPools,
  eui64,
  firstFreePrefix,
  formatAddress,
  formatCidr,
  inCidr,
  netmask,
  overlaps,
  parseAddress,
  parseCidr,
  sizeOf,
  usableRange,
} from './addresses.ts'

test('addresses are read strictly and written canonically', () => {
  const forms: [string, string | undefined][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['010.0.0.1', undefined],
    ['10.0.0.256', undefined],
    ['10.0.0', undefined],
    ['', undefined],
    ['::', '::'],
    ['::1', '::1'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // RFC 5952 4.2.2: one zero is not shortened
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // the longest run
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // the first of equal runs
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['1::2::3', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1:2:3:4:5:6:7', undefined],
    ['fe80::1%eth0', undefined],
    ['12345::', undefined],
  ]
  for (const [text, wanted] of forms) assert.equal(canonical(text), wanted, text)
})

test('a CIDR has bounds, and the host part may be set', () => {
  const net = cidrOf('10.1.2.3/24')
  assert.deepEqual(
    [formatCidr(net), formatAddress(4, net.last), formatAddress(4, net.value)],
    ['10.1.2.0/24', '10.1.2.255', '10.1.2.3'],
  )
  assert.equal(formatCidr(cidrOf('0.0.0.0/0')), '0.0.0.0/0')
  assert.equal(cidrOf('fd00::/64').last - cidrOf('fd00::/64').first, (1n << 64n) - 1n)
  assert.equal(cidrOf('10.0.0.7').prefix, 32)
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', 'fd00::/129', 'x/8', '10.0.0.0/2 4'])
    assert.equal(parseCidr(text), undefined, text)
})

test('overlap and containment', () => {
  assert.equal(overlaps(cidrOf('10.0.0.0/16'), cidrOf('10.0.255.0/24')), true)
  assert.equal(overlaps(cidrOf('10.0.0.0/24'), cidrOf('10.0.1.0/24')), false)
  assert.equal(overlaps(cidrOf('0.0.0.0/0'), cidrOf('::/0')), false)
  assert.equal(contains(cidrOf('10.0.0.0/16'), cidrOf('10.0.255.0/24')), true)
  assert.equal(contains(cidrOf('10.0.255.0/24'), cidrOf('10.0.0.0/16')), false)
  assert.equal(inCidr(cidrOf('10.0.0.0/24'), parseAddress('10.0.0.255')!), true)
  assert.equal(inCidr(cidrOf('10.0.0.0/24'), parseAddress('10.0.1.0')!), false)
})

test('usable addresses and default pools', () => {
  const text = (version: 4 | 6, { start, end }: { start: bigint; end: bigint }) =>
    `${formatAddress(version, start)}-${formatAddress(version, end)}`
  assert.equal(text(4, usableRange(cidrOf('10.0.0.0/24'))), '10.0.0.1-10.0.0.254')
  assert.equal(text(4, usableRange(cidrOf('10.0.0.0/31'))), '10.0.0.0-10.0.0.1')
  assert.equal(text(6, usableRange(cidrOf('fd00::/64'))), 'fd00::1-fd00::ffff:ffff:ffff:ffff')
  const pools = (cidr: string, gateway?: string) =>
    defaultPools(cidrOf(cidr), gateway === undefined ? undefined : parseAddress(gateway)!.value).map((range) =>
      text(4, range),
    )
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.1'), ['10.0.0.2-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.254'), ['10.0.0.1-10.0.0.253'])
  assert.deepEqual(pools('10.0.0.0/24', '10.0.0.9'), ['10.0.0.1-10.0.0.8', '10.0.0.10-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24'), ['10.0.0.1-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/24', '192.168.0.1'), ['10.0.0.1-10.0.0.254'])
  assert.deepEqual(pools('10.0.0.0/32', '10.0.0.0'), [])
  assert.equal(sizeOf(defaultPools(cidrOf('10.0.0.0/24'), 10n * 2n ** 24n + 1n)), 253n)
})

test('EUI-64, netmasks, MAC addresses', () => {
  assert.equal(eui64(cidrOf('fd00:1::/64'), 'fa:16:3e:00:01:02'), 'fd00:1::f816:3eff:fe00:102')
  assert.equal(netmask(4, 24), '255.255.255.0')
  assert.equal(netmask(4, 0), '0.0.0.0')
  assert.equal(netmask(6, 64), 'ffff:ffff:ffff:ffff::')
  assert.equal(canonicalMac('FA-16-3E-00-00-01'), 'fa:16:3e:00:00:01')
  for (const text of ['fa:16:3e:00:00', 'fa:16:3e:00:00:zz', '']) assert.equal(canonicalMac(text), undefined)
})

test('prefixes are merged, and free ones found', () => {
  const merged = (...texts: string[]) => compact(texts.map(cidrOf)).map(formatCidr)
  assert.deepEqual(merged('10.0.1.0/24', '10.0.0.0/24'), ['10.0.0.0/23'])
  assert.deepEqual(merged('10.0.1.0/24', '10.0.2.0/24'), ['10.0.1.0/24', '10.0.2.0/24'])
  assert.deepEqual(merged('10.0.0.0/25', '10.0.0.128/25', '10.0.1.0/24', '10.0.0.0/8'), ['10.0.0.0/8'])
  assert.deepEqual(merged('10.0.3.0/24', '10.0.2.0/24', '10.0.1.0/24', '10.0.0.0/24'), ['10.0.0.0/22'])
  const free = (outer: string, prefix: number, ...taken: string[]) => {
    const found = firstFreePrefix(cidrOf(outer), prefix, taken.map(cidrOf))
    return found && formatCidr(found)
  }
  assert.equal(free('10.0.0.0/16', 24), '10.0.0.0/24')
  assert.equal(free('10.0.0.0/16', 24, '10.0.0.0/24', '10.0.1.128/25'), '10.0.2.0/24')
  assert.equal(free('10.0.0.0/16', 24, '10.0.1.0/24'), '10.0.0.0/24')
  assert.equal(free('10.0.0.0/23', 24, '10.0.0.0/24', '10.0.1.0/30'), undefined)
  assert.equal(free('10.0.0.0/16', 8), undefined)
  assert.equal(free('fd00::/48', 64, 'fd00::/64'), 'fd00:0:0:1::/64')
})
