// HTTPS by certificate files, and the end of a token's life.
import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { whyNot } from './testing/needs.ts'
import { must } from './testing/run.ts'
import { until } from './testing/until.ts'

test('HTTPS', { skip: whyNot('client') }, async (t) => {
  const undo = cleanup(t)
  const folder = await scratch(undo)
  const certificate = join(folder, 'certificate.pem')
  const key = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=pileus', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await must('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate])
  chmodSync(key, 0o600)
  const cloud = await startCloud(undo, {
    args: ['--sim', '1', '--processes', '1'],
    env: {
      PILEUS_TLS_CERTIFICATE: certificate,
      PILEUS_TLS_KEY: key,
      NODE_EXTRA_CA_CERTS: certificate,
      PILEUS_TOKEN_HOURS: '0.01',
      PILEUS_ADMIN_PASSWORD: 'chosen by the user',
    },
  })
  assert.match(readFileSync(join(cloud.data, 'clouds.yaml'), 'utf8'), /password: "chosen by the user"/)
  const trusting = { OS_CACERT: certificate }

  await t.test('the client is answered when it trusts the certificate, and refuses when it does not', async () => {
    const { stdout, stderr, code } = await cloud.tryOpenstack(['endpoint', 'list', '-f', 'json'], trusting)
    assert.equal(code, 0, stderr)
    const urls = (JSON.parse(stdout) as { URL: string }[]).map(({ URL: url }) => url)
    assert.ok(urls.length > 0 && urls.every((url) => url.startsWith('https://')), stdout)
    const wary = await cloud.tryOpenstack(['token', 'issue'])
    assert.match(wary.stderr, /CERTIFICATE_VERIFY_FAILED|certificate verify failed/)
    assert.match(await cloud.pileus('status'), /is ready/)
  })

  await t.test('a server is made', async () => {
    const wishes = ['--flavor', 'tiny', '--image', 'tiny', '--network', 'private', '--wait', '-f', 'json', 'web']
    const { stdout, stderr } = await cloud.tryOpenstack(['server', 'create', ...wishes], trusting)
    assert.equal((JSON.parse(stdout) as { status: string }).status, 'ACTIVE', stderr)
  })

  await t.test('a token that has expired is refused', async () => {
    const list = () => cloud.api.send('GET', '/compute/v2.1/servers')
    const { text } = await until('the token has expired', async () => {
      const reply = await list()
      return reply.status === 401 && reply
    })
    assert.match(text, /requires authentication/)
  })
})
