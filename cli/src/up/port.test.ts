import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'node:test'
import { pileus, scratch } from '../testing.ts'
import { requireFreePort } from './port.ts'

test('a taken port ends `up` with one sentence, a free one does not', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = `Port ${port} of 127.0.0.1 is taken by another program; choose another address with --listen.`
  const ended = await pileus(['up', '--sim', '1', '--data', scratch(t), '--listen', `127.0.0.1:${port}`])
  assert.deepEqual(ended, { code: 1, stdout: '', stderr: `${taken}\n` })
  const detached = await pileus(['up', '--detach', '--sim', '1', '--data', scratch(t), '--listen', `127.0.0.1:${port}`])
  assert.deepEqual(detached, { code: 1, stdout: '', stderr: `${taken}\n` })
  server.close()
  await once(server, 'close')
  await requireFreePort({ host: '127.0.0.1', port })
})

test('an address of another machine is refused', async () => {
  await assert.rejects(requireFreePort({ host: '192.0.2.1', port: 8700 }), /This machine has no address 192\.0\.2\.1/)
})
