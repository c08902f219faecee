import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configDriveFiles, findDocument, type Guest } from './documents.ts'

const guest: Guest = {
  id: '6b2a1f5e-0c1d-4a57-8a0e-2f2c1f3a9b11',
  metadata: {
    instanceId: 'i-0000002a',
    hostname: 'web.example.org',
    name: 'web',
    projectId: 'p1',
    availabilityZone: 'nova',
    flavor: 'tiny',
    launchIndex: 0,
    reservationId: 'r-1234abcd',
    keys: [{ name: 'me', type: 'ssh', data: 'ssh-ed25519 AAAA me@here' }],
    meta: { role: 'web' },
    userData: Buffer.from('#!/bin/sh\necho ü\n').toString('base64'),
    adminPassword: 'secret',
    networkData: { networks: [{ type: 'ipv4', ip_address: '10.0.0.5' }] },
    securityGroups: ['default', 'web'],
    files: [{ path: '/etc/motd', contents: Buffer.from('hello').toString('base64') }],
  },
}
const bare: Guest = { id: 'x', metadata: { ...guest.metadata, keys: [], userData: null, meta: {}, files: [] } }

const body = (path: string, of = guest) => findDocument(of, path, '10.0.0.5')?.body.toString()
const list = (path: string, of = guest) => body(path, of)?.split('\n')
const parsed = (path: string, of = guest): unknown => JSON.parse(body(path, of) ?? 'null')

test('the versions and what each of them shows', () => {
  assert.deepEqual(list('/openstack')?.slice(0, 2), ['2012-08-10', '2013-04-04'])
  assert.equal(list('/openstack/')?.at(-1), 'latest')
  assert.deepEqual(list('/openstack/2012-08-10'), ['meta_data.json', 'user_data'])
  assert.deepEqual(list('/openstack/latest', bare), [
    'meta_data.json',
    'password',
    'vendor_data.json',
    'network_data.json',
    'vendor_data2.json',
  ])
  assert.equal(body('/openstack/2012-08-10/network_data.json'), undefined)
  assert.equal(body('/openstack/1999-01-01/meta_data.json'), undefined)
})

test('meta_data.json', () => {
  const document = parsed('/openstack/latest/meta_data.json') as Record<string, unknown>
  assert.equal(Buffer.from(String(document.random_seed), 'base64').length, 512)
  delete document.random_seed
  assert.deepEqual(document, {
    uuid: guest.id,
    meta: { role: 'web' },
    public_keys: { me: 'ssh-ed25519 AAAA me@here' },
    keys: guest.metadata.keys,
    hostname: 'web.example.org',
    name: 'web',
    launch_index: 0,
    availability_zone: 'nova',
    project_id: 'p1',
    devices: [],
    dedicated_cpus: [],
  })
  const old = parsed('/openstack/2012-08-10/meta_data.json') as Record<string, unknown>
  assert.deepEqual([old.project_id, old.random_seed], [undefined, undefined])
})

test('user data, network data, vendor data, password', () => {
  assert.equal(body('/openstack/latest/user_data'), '#!/bin/sh\necho ü\n')
  assert.equal(body('/openstack/latest/user_data', bare), undefined)
  assert.deepEqual(parsed('/openstack/latest/network_data.json'), guest.metadata.networkData)
  assert.deepEqual(parsed('/openstack/latest/vendor_data2.json'), {})
  assert.equal(body('/openstack/latest/password'), '')
  assert.equal(body('/openstack/latest/no_such_thing'), undefined)
})

test('the EC2 tree and its listings', () => {
  assert.equal(list('/')?.[0], '1.0')
  assert.deepEqual(list('/latest'), ['meta-data/', 'user-data'])
  assert.ok(list('/latest/meta-data/')?.includes('public-keys/'))
  assert.ok(list('/latest/meta-data/')?.includes('hostname'))
  assert.equal(body('/latest/meta-data/instance-id'), 'i-0000002a')
  assert.equal(body('/2009-04-04/meta-data/local-ipv4'), '10.0.0.5')
  assert.equal(body('/latest/meta-data/placement/availability-zone'), 'nova')
  assert.deepEqual(list('/latest/meta-data/security-groups'), ['default', 'web'])
  assert.equal(body('/latest/meta-data/public-keys/'), '0=me')
  assert.equal(body('/latest/meta-data/public-keys/0'), 'openssh-key')
  assert.equal(body('/latest/meta-data/public-keys/0/openssh-key'), 'ssh-ed25519 AAAA me@here')
  assert.equal(body('/latest/meta-data/public-keys', bare), undefined)
  assert.equal(body('/latest/meta-data/toString'), undefined)
  assert.equal(body('/latest/user-data'), '#!/bin/sh\necho ü\n')
  assert.equal(body('/nowhere'), undefined)
  assert.equal(body('/1.0/meta-data/placement'), undefined)
})

test('only the config drive has the password and the files', () => {
  assert.doesNotMatch(body('/openstack/latest/meta_data.json') ?? '', /secret|motd/)
  const files = configDriveFiles(guest)
  assert.deepEqual([...files.keys()].toSorted(), [
    'ec2/latest/meta-data.json',
    'ec2/latest/user-data',
    'openstack/content/0000',
    'openstack/latest/meta_data.json',
    'openstack/latest/network_data.json',
    'openstack/latest/user_data',
    'openstack/latest/vendor_data.json',
    'openstack/latest/vendor_data2.json',
  ])
  const document = JSON.parse(String(files.get('openstack/latest/meta_data.json'))) as Record<string, unknown>
  assert.equal(document.admin_pass, 'secret')
  assert.deepEqual(document.files, [{ path: '/etc/motd', content_path: '/content/0000' }])
  assert.equal(String(files.get('openstack/content/0000')), 'hello')
  const ec2 = JSON.parse(String(files.get('ec2/latest/meta-data.json'))) as Record<string, unknown>
  assert.equal(ec2['local-ipv4'], '10.0.0.5')
})
