import assert from 'node:assert/strict'
import test from 'node:test'
import { Trouble } from '../trouble.ts'
import { adminCredentials, readSettings } from './settings.ts'
import { dataDirectory, prepareDataDirectory } from '../data-directory.ts'
import { writeCredentials } from '../credentials.ts'
import { scratch } from '../testing.ts'

test('flags win over the environment, which wins over the defaults', () => {
  const plain = readSettings([], {})
  assert.equal(plain.data.shown, 'var')
  assert.equal(plain.publicUrl, 'http://127.0.0.1:8700')
  assert.deepEqual([plain.database, plain.simHosts, plain.agent, plain.detach], [null, 0, true, false])
  const env = { PILEUS_DATA: 'there', PILEUS_LISTEN: '127.0.0.1:1', PILEUS_DATABASE: 'postgres://h/d' }
  const fromEnv = readSettings([], env)
  assert.deepEqual([fromEnv.data.shown, fromEnv.listen.port, fromEnv.database], ['there', 1, 'postgres://h/d'])
  const both = readSettings(['--data', 'here', '--listen', '127.0.0.1:2', '--database', 'postgresql://h/e'], env)
  assert.deepEqual([both.data.shown, both.listen.port, both.database], ['here', 2, 'postgresql://h/e'])
})

test('simulated hosts stand in place of an agent', () => {
  const { simHosts, agent } = readSettings(['--sim', '10'], {})
  assert.deepEqual([simHosts, agent], [10, false])
  assert.equal(readSettings(['--no-agent'], {}).agent, false)
})

test('a cloud that listens everywhere does not tell its clients to', () => {
  assert.doesNotMatch(readSettings(['--listen', '0.0.0.0:8700'], {}).publicUrl, /0\.0\.0\.0/)
  const own = readSettings(['--listen', '0.0.0.0:8700', '--public-url', 'https://cloud.example/'], {})
  assert.equal(own.publicUrl, 'https://cloud.example')
})

test('the S3 API listens behind the API, where it is told to, or not at all', () => {
  assert.equal(readSettings(['--listen', '127.0.0.1:9000'], {}).s3?.url, 'http://127.0.0.1:9001')
  assert.equal(readSettings([], { PILEUS_S3_LISTEN: 'off' }).s3, null)
  const told = readSettings(['--s3-listen', '[::1]:9000'], { PILEUS_S3_LISTEN: 'off', PILEUS_TLS_CERTIFICATE: 'x' })
  assert.deepEqual(told.s3, { listen: { host: '::1', port: 9000 }, url: 'https://[::1]:9000' })
  assert.throws(() => readSettings(['--s3-listen', 'somewhere'], {}), /--s3-listen wants HOST:PORT/)
})

test('what is not a PostgreSQL URL is refused', () => {
  for (const url of ['mysql://h/d', 'h', ''])
    assert.throws(
      () => readSettings([`--database=${url}`], {}),
      (error: unknown) => error instanceof Trouble && error.exitCode === 2,
    )
})

test("the admin's password is random at first and then stays", async (t) => {
  const data = dataDirectory(scratch(t))
  await prepareDataDirectory(data)
  const first = readSettings(['--data', data.path], {})
  const made = adminCredentials(first)
  assert.equal(made.isNew, true)
  assert.ok(made.password.length >= 20)
  assert.notEqual(made.password, adminCredentials(first).password)
  assert.equal(
    adminCredentials(readSettings(['--data', data.path], { PILEUS_ADMIN_PASSWORD: 'chosen' })).password,
    'chosen',
  )
  await writeCredentials(data, made)
  const moved = readSettings(['--data', data.path, '--listen', '127.0.0.1:9999'], { PILEUS_ADMIN_PASSWORD: 'ignored' })
  const kept = adminCredentials(moved)
  assert.deepEqual([kept.isNew, kept.password], [false, made.password])
  assert.equal(kept.authUrl, 'http://127.0.0.1:9999/identity/v3')
})
