// Two server processes, each with an address of its own: what is taken back by one is void at the other within a second.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from './testing/api.ts'
import { cleanup } from './testing/cleanup.ts'
import { freePort, startCloud } from './testing/cloud.ts'
import { until } from './testing/until.ts'

const root = resolve(import.meta.dirname, '..')
const v3 = '/identity/v3'

interface Person {
  user: string
  project: string
  role: string
  token: string
}

/** A user with one role in a project of their own, signed in. */
async function someone(api: Api, url: string, name: string): Promise<Person> {
  const made = async (path: string, kind: string, body: object) =>
    (await api.call<Record<string, { id: string }>>('POST', v3 + path, { [kind]: body }))[kind]!.id
  const project = await made('/projects', 'project', { name })
  const user = await made('/users', 'user', { name, password: 'pw' })
  const role = await made('/roles', 'role', { name })
  await api.call('PUT', `${v3}/projects/${project}/users/${user}/roles/${role}`)
  const identity = { methods: ['password'], password: { user: { id: user, password: 'pw' } } }
  const answer = await fetch(`${url}${v3}/auth/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ auth: { identity, scope: { project: { id: project } } } }),
  })
  assert.equal(answer.status, 201, await answer.text())
  return { user, project, role, token: answer.headers.get('x-subject-token') ?? '' }
}

async function check(url: string, token: string): Promise<number> {
  const answer = await fetch(`${url}${v3}/auth/tokens`, {
    headers: { 'X-Auth-Token': token, 'X-Subject-Token': token },
  })
  await answer.arrayBuffer()
  return answer.status
}

const blows: Record<string, (api: Api, at: Person) => Promise<unknown>> = {
  'a password is changed': (api, { user }) => api.call('PATCH', `${v3}/users/${user}`, { user: { password: 'new' } }),
  'a role is removed': (api, { project, user, role }) =>
    api.call('DELETE', `${v3}/projects/${project}/users/${user}/roles/${role}`),
  'a project is disabled': (api, { project }) =>
    api.call('PATCH', `${v3}/projects/${project}`, { project: { enabled: false } }),
  'a user is deleted': (api, { user }) => api.call('DELETE', `${v3}/users/${user}`),
}

const environmentOf = (pid: number) =>
  Object.fromEntries(
    readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => /^(.*?)=(.*)$/s.exec(line)?.slice(1) ?? []),
  ) as NodeJS.ProcessEnv

test('tokens are void everywhere within a second', async (t) => {
  const undo = cleanup(t)
  const cloud = await startCloud(undo, { args: ['--sim', '1', '--processes', '1'] })
  const listen = `127.0.0.1:${await freePort()}`
  const words = ['server/src/main.ts', 'serve', '--data', cloud.data, '--listen', listen, '--sim', '1']
  const env = { ...environmentOf(cloud.pid('server-1')), PILEUS_LISTEN: listen }
  const second = spawn(process.execPath, words, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] })
  undo(async () => {
    second.kill('SIGTERM')
    if (second.exitCode === null) await once(second, 'exit')
  })
  const other = `http://${listen}`
  await until('the second process answers', async () => (await fetch(`${other}/readyz`)).ok)
  assert.equal(second.exitCode, null)

  for (const [what, blow] of Object.entries(blows)) {
    await t.test(what, async () => {
      const person = await someone(cloud.api, cloud.url, what)
      for (const url of [cloud.url, other, other]) assert.equal(await check(url, person.token), 200, url)
      await blow(cloud.api, person)
      assert.equal(await check(cloud.url, person.token), 401)
      await delay(1000)
      assert.equal(await check(other, person.token), 401)
    })
  }
})
