import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serverHostname } from './hostname.ts'
import { ec2Id, machineSpec } from './machine-spec.ts'
import type { Server } from './model.ts'

const source = { imageId: 'image', format: 'qcow2' as const, sizeBytes: 10, sha512: 'ab' }
const server: Server = {
  id: '0199c0de-0000-7000-8000-000000000001',
  n: 42,
  region: 'local',
  projectId: 'project',
  userId: 'user',
  name: 'Web One',
  description: null,
  hostname: 'web-one',
  state: 'building',
  fault: null,
  flavor: { id: '1', name: 'tiny', vcpus: 2, ramMb: 128, diskGb: 3, ephemeralGb: 1, swapMb: 512, extraSpecs: {} },
  flavorId: '1',
  vcpus: 2,
  ramMb: 128,
  image: {
    id: 'image',
    name: 'tiny',
    source,
    kernel: null,
    ramdisk: null,
    properties: { hw_firmware_type: 'uefi', os_command_line: 'quiet' },
  },
  imageId: 'image',
  keyName: 'me',
  key: { name: 'me', type: 'ssh', data: 'ssh-ed25519 AAAA' },
  userData: 'aGk=',
  configDrive: true,
  metadata: { role: 'web' },
  tags: [],
  files: [],
  adminPassword: 'secret',
  host: 'one',
  availabilityZone: 'nova',
  requestedZone: null,
  requestedHost: null,
  schedulerHints: {},
  groupId: null,
  power: 'running',
  restartSerial: 3,
  restartHard: true,
  diskSerial: 1,
  reservationId: 'r-1',
  launchIndex: 0,
  lockedBy: null,
  lockedReason: null,
  diskConfig: 'MANUAL',
  accessIpV4: null,
  accessIpV6: null,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  launchedAt: null,
  deletedAt: null,
}
const nic = { portId: 'port', mac: 'fa:16:3e:00:00:01', mtu: 1450, extra: true }

test('the wish follows from the rows alone', () => {
  const spec = machineSpec(server, [nic], { links: [] }, ['default'])
  assert.deepEqual(
    spec.disks.map(({ role, sizeMb, image, serial }) => [role, sizeMb, image?.imageId, serial]),
    [
      ['root', 3072, 'image', 1],
      ['ephemeral', 1024, undefined, 1],
      ['swap', 512, undefined, 1],
    ],
  )
  assert.deepEqual(spec.nics, [{ portId: 'port', mac: 'fa:16:3e:00:00:01', mtu: 1450 }])
  assert.deepEqual([spec.firmware, spec.kernelArgs, spec.power], ['uefi', 'quiet', 'running'])
  assert.deepEqual(spec.restart, { serial: 3, hard: true })
  assert.equal(spec.metadata.instanceId, 'i-0000002a')
  assert.deepEqual(spec.metadata.keys, [server.key])
  assert.deepEqual(machineSpec(server, [nic], { links: [] }, ['default']), spec)
})

test('names become host names', () => {
  const id = 'abc'
  assert.equal(serverHostname('Web One_2', id), 'web-one-2')
  assert.equal(serverHostname('-- ünï.cödé --', id), 'uni-code')
  assert.equal(serverHostname('火', id), 'server-abc')
  assert.equal(serverHostname('x'.repeat(80), id).length, 63)
  assert.equal(ec2Id({ n: 0xabcdef01 }), 'i-abcdef01')
})
