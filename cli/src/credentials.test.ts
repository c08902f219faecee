import assert from 'node:assert/strict'
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import {
  type Credentials,
  credentialsFromEnvironment,
  findCredentials,
  getCredentials,
  writeCredentials,
} from './credentials.ts'
import { dataDirectory } from './data-directory.ts'
import { runProgram, scratch } from './testing.ts'

const credentials: Credentials = {
  authUrl: 'http://127.0.0.1:8700/identity/v3',
  username: 'admin',
  password: String.raw`it's "odd": \ $HOME #1`,
  projectName: 'admin',
  userDomainName: 'Default',
  projectDomainName: 'Default',
  regionName: 'local',
}

test('clouds.yaml and openrc are for their owner alone, even where open ones lay', async (t) => {
  const data = dataDirectory(scratch(t))
  for (const path of [data.cloudsYaml, `${data.cloudsYaml}.part`]) {
    writeFileSync(path, 'old')
    chmodSync(path, 0o644)
  }
  await writeCredentials(data, credentials)
  for (const path of [data.cloudsYaml, data.openrc]) assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(data.path).toSorted(), ['clouds.yaml', 'openrc'])
})

test('what clouds.yaml holds is read back', async (t) => {
  const data = dataDirectory(scratch(t))
  assert.equal(findCredentials(data), undefined)
  await writeCredentials(data, credentials)
  assert.deepEqual(findCredentials(data), credentials)
})

test('a shell that reads openrc gets the same', async (t) => {
  const data = dataDirectory(scratch(t))
  await writeCredentials(data, credentials)
  const { stdout } = await runProgram('sh', ['-c', `. ${data.openrc}; printf '%s|%s' "$OS_USERNAME" "$OS_PASSWORD"`])
  assert.equal(stdout, `admin|${credentials.password}`)
})

test('OS_ variables win, and must be complete', async (t) => {
  const data = dataDirectory(scratch(t))
  assert.throws(() => getCredentials(data, {}), /There is no cloud/)
  await writeCredentials(data, credentials)
  assert.equal(getCredentials(data, {}).username, 'admin')
  const env = { OS_AUTH_URL: 'http://other/v3', OS_USERNAME: 'me', OS_PASSWORD: 'p', OS_PROJECT_NAME: 'mine' }
  assert.equal(getCredentials(data, env).username, 'me')
  assert.throws(() => credentialsFromEnvironment({ OS_AUTH_URL: 'http://other/v3' }), /OS_USERNAME is not/)
})

test('a clouds.yaml of another form is refused with a sentence', (t) => {
  const data = dataDirectory(scratch(t))
  writeFileSync(data.cloudsYaml, 'clouds: {}\n')
  assert.throws(() => findCredentials(data), /does not have the form/)
})
