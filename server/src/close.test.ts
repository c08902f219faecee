// What happens to connections when a process goes down.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

test('a request that is under way is answered, then its connection ends', { timeout: 30_000 }, async (t) => {
  const cloud = await testCloud(t)
  const { server } = cloud.app
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const idle = request({ port, path: '/healthz', agent })
  idle.end()
  const [{ statusCode }] = (await once(idle, 'response')) as [{ statusCode: number }]
  assert.equal(statusCode, 200)
  const headers = { 'x-auth-token': cloud.as('member').token, 'content-length': 15 }
  const slow = request({ port, path: '/image/v2/images', method: 'POST', headers })
  const arrived = once(server.server, 'request')
  slow.write('{"name":')
  const answered = once(slow, 'response') as Promise<[{ statusCode: number; headers: Record<string, string> }]>
  await arrived
  const closed = server.close()
  slow.end('"slow"}')
  const [answer] = await answered
  assert.equal(answer.statusCode, 201)
  await closed
})
