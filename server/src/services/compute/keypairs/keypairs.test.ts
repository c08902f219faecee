import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { makeSshPair, sshFingerprint } from './ssh.ts'
import { makeX509Pair, x509Fingerprint } from './x509.ts'

// a key whose fingerprint `ssh-keygen -l -E md5` gave
const known = {
  line: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOq9kne0QFbWiPRKPyQd1cpz0qfKnm6+kV3Owzs1+5PF comment',
  md5: 'b1:24:37:2e:9d:a4:5d:e5:86:43:40:0e:28:c1:15:19',
}

test('fingerprints are those of ssh-keygen', () => {
  assert.equal(sshFingerprint(known.line), known.md5)
  for (const wrong of [
    '',
    'ssh-rsa',
    'ssh-rsa AAAA',
    known.line.replace('ed25519 ', 'rsa '),
    `${known.line}\nssh-rsa x`,
  ])
    assert.throws(() => sshFingerprint(wrong), /Keypair data is invalid/)
})

test('a made ssh pair has the halves of one key', () => {
  const { publicKey, privateKey } = makeSshPair('me')
  const lines = privateKey.trim().split('\n')
  assert.equal(lines[0], '-----BEGIN OPENSSH PRIVATE KEY-----')
  const file = Buffer.from(lines.slice(1, -1).join(''), 'base64')
  const blob = Buffer.from(publicKey.split(' ')[1]!, 'base64')
  assert.equal(file.subarray(0, 15).toString(), 'openssh-key-v1\0')
  assert.equal(file.indexOf(blob) > 0, true)
})

test('a made certificate verifies with its own key', async () => {
  const { certificate } = await makeX509Pair('user')
  const read = new X509Certificate(certificate)
  assert.equal(read.verify(read.publicKey), true)
  assert.equal(read.subject, 'CN=user')
  assert.match(x509Fingerprint(certificate), /^([0-9a-f]{2}:){19}[0-9a-f]{2}$/)
  assert.throws(() => x509Fingerprint('none'), /not an X.509 certificate/)
})

test('key pairs are imported, made, listed and removed, each user its own', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member').version('compute 2.10')
  const imported = await member.post('/compute/v2.1/os-keypairs', { keypair: { name: 'mine', public_key: known.line } })
  assert.deepEqual([imported.status, imported.json.keypair.fingerprint], [201, known.md5])
  assert.equal(imported.json.keypair.private_key, undefined)
  const made = await member.post('/compute/v2.1/os-keypairs', { keypair: { name: 'made' } })
  assert.match(made.json.keypair.private_key, /OPENSSH PRIVATE KEY/)
  const windows = await member.post('/compute/v2.1/os-keypairs', { keypair: { name: 'windows', type: 'x509' } })
  assert.match(windows.json.keypair.public_key, /BEGIN CERTIFICATE/)
  assert.equal((await member.post('/compute/v2.1/os-keypairs', { keypair: { name: 'mine' } })).status, 409)
  assert.equal((await member.post('/compute/v2.1/os-keypairs', { keypair: { name: 'a@b' } })).status, 400)
  const latest = cloud.as('member').version('compute 2.92')
  assert.equal((await latest.post('/compute/v2.1/os-keypairs', { keypair: { name: 'x' } })).status, 400)
  const at = { name: 'a@b.c', public_key: known.line }
  assert.equal((await latest.post('/compute/v2.1/os-keypairs', { keypair: at })).status, 201)
  const { keypairs } = (await member.get('/compute/v2.1/os-keypairs')).json
  assert.deepEqual(
    keypairs.map((each: { keypair: { name: string } }) => each.keypair.name),
    ['a@b.c', 'made', 'mine', 'windows'],
  )
  assert.deepEqual((await cloud.as('other').get('/compute/v2.1/os-keypairs')).json.keypairs, [])
  const others = `/compute/v2.1/os-keypairs?user_id=${member.userId}`
  assert.equal((await cloud.as('other').version('compute 2.10').get(others)).status, 403)
  assert.equal((await cloud.as('admin').version('compute 2.10').get(others)).json.keypairs.length, 4)
  assert.equal((await member.delete('/compute/v2.1/os-keypairs/mine')).status, 204)
  assert.equal((await member.get('/compute/v2.1/os-keypairs/mine')).status, 404)
})
