import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { agentKey, join, scriptedAgent } from './agent.testing.ts'

test('without simulated hosts the app takes hosts in, and compute hears of them', { timeout: 60_000 }, async (t) => {
  const cloud = await testCloud(t, { simHosts: 0 })
  await cloud.app.server.listen({ host: '127.0.0.1', port: 0 })
  // a string only for a unix socket
  const { port } = cloud.app.server.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  for (const who of ['member', 'reader', 'manager'] as const)
    assert.equal((await cloud.as(who).post('/agent/v1/join-tokens', {})).status, 403)
  assert.equal((await cloud.as('stranger').post('/agent/v1/join-tokens', {})).status, 401)
  const { json } = await cloud.as('admin').post('/agent/v1/join-tokens', {})
  const key = agentKey()
  const joined = await join(url, json.token, 'h1', key)
  const agent = scriptedAgent({ url, name: 'h1', key, joined, script: { held: new Set(), refused: new Map() } })
  await agent.connect()
  t.after(() => agent.disconnect())
  const names: string[] = []
  while (names.length === 0) {
    const { json: shown } = await cloud.as('admin').get('/compute/v2.1/os-hypervisors')
    names.push(...shown.hypervisors.map((each: Record<string, unknown>) => each['hypervisor_hostname']))
  }
  assert.deepEqual(names, ['h1'])
})
