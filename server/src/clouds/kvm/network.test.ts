import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostNetwork } from '@pileus/contract/agent.ts'
import { networkSpec, portSpec } from '../testing.ts'
import { networkHash } from './network.ts'

test('the order of rows does not make another document, their contents do', () => {
  const [a, b] = [portSpec('m1'), portSpec('m2')]
  const remote = ['1', '2'].map((n) => ({ mac: n, addresses: [n], tunnelAddress: n }))
  const one: HostNetwork = {
    networks: [{ ...networkSpec(), remote }],
    ports: [a, b],
    routers: [],
    groups: { g1: ['10.0.0.1', '10.0.0.2'], g2: [] },
  }
  const same: HostNetwork = {
    networks: [{ ...networkSpec(), remote: remote.toReversed() }],
    ports: [b, a],
    routers: [],
    groups: { g2: [], g1: ['10.0.0.2', '10.0.0.1'] },
  }
  assert.equal(networkHash(one), networkHash(same))
  const others: HostNetwork[] = [
    { ...one, ports: [a] },
    { ...one, ports: [a, { ...b, up: false }] },
    { ...one, groups: { ...one.groups, g2: ['10.0.0.3'] } },
    { ...one, networks: [networkSpec()] },
  ]
  for (const other of others) assert.notEqual(networkHash(other), networkHash(one))
})
