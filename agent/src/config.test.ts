import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './config.ts'

test('flags win over the environment, which wins over defaults', () => {
  const config = readConfig(['--name', 'a', '--vcpus', '4'], { PILEUS_AGENT_NAME: 'b', PILEUS_AGENT_MEMORY_MB: '512' })
  assert.deepEqual([config.name, config.vcpus, config.memoryMb, config.diskGb], ['a', 4, 512, null])
})

test('a join token may carry the address', () => {
  const { join, server } = readConfig(['--join', 'id.secret@http://cloud:8700/'], {})
  assert.deepEqual({ join, server }, { join: 'id.secret', server: 'http://cloud:8700' })
})

test('physical networks: name, bridge and address', () => {
  const { physical } = readConfig(['--physical', 'public=172.24.4.1/24', '--physical', 'lab=brlab,10.1.0.1/16'], {})
  assert.deepEqual(physical, {
    public: { bridge: 'br-public', address: '172.24.4.1/24' },
    lab: { bridge: 'brlab', address: '10.1.0.1/16' },
  })
})

test('what is wrong is named', () => {
  assert.throws(() => readConfig(['--vcpus', 'many'], {}), /vcpus/)
  assert.throws(() => readConfig(['--accelerator', 'hvf'], {}), /accelerator/)
  assert.throws(() => readConfig(['--no-such-flag'], {}), /no-such-flag/)
  assert.throws(() => readConfig(['--physical', '=1.2.3.4'], {}), /NAME=ADDRESS/)
  assert.throws(() => readConfig(['--join', 'token-without-a-secret'], {}), /join/)
})
