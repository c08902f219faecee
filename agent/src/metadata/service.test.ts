import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PortSpec } from '@pileus/contract/agent.ts'
import { exampleMachine } from '@pileus/contract/testing.ts'
import { pino } from 'pino'
import type { Guest } from './documents.ts'
import { serveMetadata } from './service.ts'

const port: PortSpec = {
  id: 'port-1',
  networkId: 'net-1',
  machineId: 'machine-1',
  mac: 'fa:16:3e:00:00:01',
  hostname: 'web',
  up: true,
  addresses: [{ subnetId: 's1', address: '10.0.0.5' }],
  allowedPairs: [],
  secured: true,
  rules: [],
  dhcpOptions: [],
}
const guest: Guest = exampleMachine()

test('each guest gets its own documents, nobody else any', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-metadata-'))
  t.after(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 'metadata.sock')
  await writeFile(socketPath, '') // left behind
  let settled = false
  const close = await serveMetadata({
    socketPath,
    portAt: (networkId, address) => (networkId === 'net-1' && address === '10.0.0.5' ? port : undefined),
    isSettled: () => settled,
    findGuest: (machineId) => (machineId === 'machine-1' ? guest : undefined),
    log: pino({ level: 'silent' }),
  })
  t.after(close)
  const get = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number; type: string; body: string }>((resolve, reject) => {
      const asked = request({ socketPath, path, headers, method }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (body += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }),
        )
      })
      asked.on('error', reject)
      asked.end()
    })
  const own = { 'X-Network-Id': 'net-1', 'X-Forwarded-For': '10.0.0.5' }
  const stranger = { ...own, 'X-Forwarded-For': '10.0.0.6' }
  assert.equal((await get('/openstack', stranger)).status, 503)
  settled = true
  assert.equal((await get('/openstack', stranger)).status, 404)
  const found = await get('/openstack/latest/meta_data.json', own)
  assert.deepEqual([found.status, found.type], [200, 'application/json; charset=UTF-8'])
  assert.equal((JSON.parse(found.body) as { uuid: string }).uuid, 'machine-1')
  assert.equal((await get('/latest/meta-data/instance-id', own)).body, 'i-00000001')
  assert.equal((await get('/latest/meta-data/instance-id?x=1', own)).body, 'i-00000001')
  assert.equal((await get('/latest/meta-data/none', own)).status, 404)
  assert.equal((await get('/%', own)).status, 404)
  assert.equal((await get('/latest/meta-data/instance-id', { ...own, 'X-Forwarded-For': '10.0.0.6' })).status, 404)
  assert.equal((await get('/latest/meta-data/instance-id', { ...own, 'X-Network-Id': 'net-2' })).status, 404)
  assert.equal((await get('/', {})).status, 400)
  assert.equal((await get('/openstack/latest/password', own, 'POST')).status, 405)
})
