// The real client of Debian, with its plugins for OpenID Connect, against a listening cloud and a real provider.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject } from '../../testing.ts'
import { cli, register, testProvider } from '../testing.ts'

const run = promisify(execFile)
const isThere = spawnSync('openstack', ['--version']).status === 0
const skip = isThere ? false : 'the openstack client is missing (Debian: python3-openstackclient)'

test('keystoneauth: password, client credentials and an access token', { skip }, async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const provider = await testProvider(t, 'http://cloud.test')
  await register(cloud, provider)
  const group = await made(admin.post('/groups', { group: { name: 'developers' } }))
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'member')}`)
  await cloud.app.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = cloud.app.server.server.address() as AddressInfo
  const issue = async (type: string, options: Record<string, string>) => {
    const words = Object.entries({
      'auth-url': `http://127.0.0.1:${port}/identity/v3`,
      'identity-provider': 'acme',
      protocol: 'openid',
      ...options,
    }).flatMap(([name, value]) => [`--os-${name}`, value])
    // nothing of this machine's own clouds
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent', LANG: 'C.UTF-8' }
    const asked = ['--os-auth-type', type, ...words, 'token', 'issue', '-f', 'json']
    const { stdout } = await run('openstack', asked, { env })
    return JSON.parse(stdout) as { id: string; user_id: string; project_id?: string }
  }
  const nameOf = async (id: string) => (await admin.get(`/users/${id}`)).json.user.name as string
  const discovery = { 'discovery-endpoint': `${provider.issuer}/.well-known/openid-configuration` }
  const own = { 'client-id': cli.id, 'client-secret': cli.secret, ...discovery }
  const person = { username: 'jane', password: "jane's", 'openid-scope': 'openid email groups' }

  const unscoped = await issue('v3oidcpassword', { ...own, ...person })
  assert.equal(await nameOf(unscoped.user_id), 'jane')
  assert.equal(unscoped.project_id, undefined)
  const scoped = await issue('v3oidcpassword', { ...own, ...person, 'project-id': teamProject })
  assert.deepEqual([scoped.user_id, scoped.project_id], [unscoped.user_id, teamProject])
  const machine = await issue('v3oidcclientcredentials', { ...own, 'openid-scope': 'cloud' })
  assert.equal(await nameOf(machine.user_id), cli.id)
  const token = await provider.sign({ sub: 'jane', groups: ['developers'] })
  const brought = await issue('v3oidcaccesstoken', { 'access-token': token, 'project-id': teamProject })
  assert.deepEqual([brought.user_id, brought.project_id], [unscoped.user_id, teamProject])

  const refused = async (options: Record<string, string>) =>
    issue('v3oidcaccesstoken', options).then(
      () => assert.fail('somebody was let in'),
      ({ stderr }: { stderr: string }) => stderr,
    )
  const expired = await provider.sign({ exp: Math.floor(Date.now() / 1000) - 60 })
  assert.match(await refused({ 'access-token': expired }), /requires authentication.*HTTP 401/s)
})
