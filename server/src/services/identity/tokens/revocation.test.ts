// What is taken back in one process is void in every other: a second process, listening, that keeps what it has once seen of a
// token. It reaches the database by a way of its own, which can be cut and can go silent.
import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { makeApp } from '#app'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { type Way, wayTo } from '#lib/testing/way.ts'
import { asAdmin, made, passwordAuth, type Person, type Scope, tokenFor, v3, withToken } from '../testing.ts'

interface Elsewhere {
  way: Way
  /** The roles of the token as that process sees it, or the status of its refusal. */
  look(token: string): Promise<string[] | number>
  /** Resolves when that process has heard of a change, or knows that it may not hear of one. */
  knows(word: 'change' | 'deaf'): Promise<void>
}

const ends: (() => unknown)[] = []
const t = { after: (end?: unknown) => void ends.push(end as () => unknown) }
let cloud: TestCloud
let there: Elsewhere
before(async () => {
  cloud = await testCloud(t)
  there = await secondProcess()
})
after(async () => {
  for (const end of ends.toReversed()) await end()
})

async function secondProcess(): Promise<Elsewhere> {
  const log = makeLog('test', 'fatal')
  const way = await wayTo(t, cloud.url)
  const app = makeApp(openDatabase(way.url, log, { connections: 2 }), cloud.app.world.config, log)
  const heard = Promise.withResolvers<void>()
  const waiting = new Map<string, () => void>()
  const say = (word: string) => waiting.get(word)?.()
  let hears = false
  const turn = (next: boolean) => {
    hears = next
    if (next) heard.resolve()
    else say('deaf')
  }
  app.world.db.subscribe(
    'identity',
    () => say('change'),
    () => turn(true),
    () => turn(false),
  )
  t.after(() => app.close())
  const base = await app.server.listen({ port: 0, host: '127.0.0.1' })
  await heard.promise
  return {
    way,
    async look(token) {
      const headers = { 'x-auth-token': token, 'x-subject-token': token }
      const answer = await fetch(`${base}${v3}/auth/tokens?nocatalog`, { headers })
      if (answer.status !== 200) {
        await answer.arrayBuffer()
        return answer.status
      }
      const { token: shown } = (await answer.json()) as { token: { roles?: { name: string }[] } }
      return (shown.roles ?? []).map(({ name }) => name)
    },
    knows: (word) =>
      new Promise((done) => {
        waiting.set(word, done)
        if (word === 'deaf' && !hears) done()
      }),
  }
}

let count = 0
interface Stage {
  admin: Person
  user: string
  group: string
  domain: string
  project: string
  role: string
  /** A token for the user by password. */
  token(scope?: Scope): Promise<string>
  grant(path: string): Promise<void>
}

/** A user in a domain of their own, with a project and a group, and no role anywhere. */
async function stage(): Promise<Stage> {
  const name = `n${++count}`
  const admin = asAdmin(cloud)
  const { id: domain } = await made(admin.post('/domains', { domain: { name } }))
  const { id: project } = await made(admin.post('/projects', { project: { name, domain_id: domain } }))
  const { id: user } = await made(admin.post('/users', { user: { name, domain_id: domain, password: 'pw' } }))
  const { id: group } = await made(admin.post('/groups', { group: { name, domain_id: domain } }))
  const { id: role } = await made(admin.post('/roles', { role: { name } }))
  return {
    ...{ admin, user, group, domain, project, role },
    token: (scope = { project: { id: project } }) => tokenFor(cloud, passwordAuth({ id: user }, 'pw', scope)),
    async grant(path) {
      assert.equal((await admin.put(path)).status, 204, path)
    },
  }
}

type Blow = () => Promise<{ status: number }>
interface Taken {
  token: string
  blow: Blow
  /** The roles that are left; without, the token is void. */
  left?: string[]
}

const direct = (at: Stage) => `/projects/${at.project}/users/${at.user}/roles/${at.role}`
const ofGroup = (at: Stage) => `/projects/${at.project}/groups/${at.group}/roles/${at.role}`
const asUser = async (at: Stage) => withToken(cloud, await at.token())

const cases: Record<string, (at: Stage) => Promise<Taken>> = {
  async 'the token itself is revoked'(at) {
    await at.grant(direct(at))
    const token = await at.token()
    const headers = { 'x-auth-token': token, 'x-subject-token': token }
    return { token, blow: () => cloud.as('stranger').delete(`${v3}/auth/tokens`, { headers }) }
  },
  async 'an admin sets the password'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.patch(`/users/${at.user}`, { user: { password: 'new' } }) }
  },
  async 'the user changes the password'(at) {
    await at.grant(direct(at))
    const token = await at.token()
    const change = { user: { original_password: 'pw', password: 'new' } }
    return { token, blow: () => withToken(cloud, token).post(`/users/${at.user}/password`, change) }
  },
  async 'the role is taken from the user'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.delete(direct(at)) }
  },
  async 'the role is taken from the group'(at) {
    await at.grant(ofGroup(at))
    await at.grant(`/groups/${at.group}/users/${at.user}`)
    return { token: await at.token(), blow: () => at.admin.delete(ofGroup(at)) }
  },
  async 'the user leaves the group'(at) {
    await at.grant(ofGroup(at))
    await at.grant(`/groups/${at.group}/users/${at.user}`)
    return { token: await at.token(), blow: () => at.admin.delete(`/groups/${at.group}/users/${at.user}`) }
  },
  async 'the group is deleted'(at) {
    await at.grant(ofGroup(at))
    await at.grant(`/groups/${at.group}/users/${at.user}`)
    return { token: await at.token(), blow: () => at.admin.delete(`/groups/${at.group}`) }
  },
  async 'an inherited role is taken'(at) {
    const path = `/OS-INHERIT/domains/${at.domain}/users/${at.user}/roles/${at.role}/inherited_to_projects`
    await at.grant(path)
    return { token: await at.token(), blow: () => at.admin.delete(path) }
  },
  async 'a role no longer implies another'(at) {
    await at.grant(direct(at))
    const { id } = await made(at.admin.post('/roles', { role: { name: `implied-${count}` } }))
    assert.equal((await at.admin.put(`/roles/${at.role}/implies/${id}`)).status, 201)
    const token = await at.token()
    return { token, blow: () => at.admin.delete(`/roles/${at.role}/implies/${id}`), left: [`n${count}`] }
  },
  async 'the role is deleted'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.delete(`/roles/${at.role}`) }
  },
  async 'a role on the domain is taken'(at) {
    const path = `/domains/${at.domain}/users/${at.user}/roles/${at.role}`
    await at.grant(path)
    return { token: await at.token({ domain: { id: at.domain } }), blow: () => at.admin.delete(path) }
  },
  async 'a role on the system is taken'(at) {
    const path = `/system/users/${at.user}/roles/${at.role}`
    await at.grant(path)
    return { token: await at.token({ system: { all: true } }), blow: () => at.admin.delete(path) }
  },
  async 'the project is disabled'(at) {
    await at.grant(direct(at))
    const off = { project: { enabled: false } }
    return { token: await at.token(), blow: () => at.admin.patch(`/projects/${at.project}`, off) }
  },
  async 'the project is deleted'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.delete(`/projects/${at.project}`) }
  },
  async 'the domain is disabled'(at) {
    await at.grant(direct(at))
    const off = { domain: { enabled: false } }
    return { token: await at.token(), blow: () => at.admin.patch(`/domains/${at.domain}`, off) }
  },
  async 'the user is disabled'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.patch(`/users/${at.user}`, { user: { enabled: false } }) }
  },
  async 'the user is deleted'(at) {
    await at.grant(direct(at))
    return { token: await at.token(), blow: () => at.admin.delete(`/users/${at.user}`) }
  },
  async 'the application credential is deleted'(at) {
    await at.grant(direct(at))
    const user = await asUser(at)
    const path = `/users/${at.user}/application_credentials`
    const { id, secret } = await made(user.post(path, { application_credential: { name: 'robot' } }))
    const identity = { methods: ['application_credential'], application_credential: { id, secret } }
    return { token: await tokenFor(cloud, { auth: { identity } }), blow: () => user.delete(`${path}/${id}`) }
  },
  async 'the trust is deleted'(at) {
    const { trust, token } = await lent(at)
    const trustor = await asUser(at)
    return { token, blow: () => trustor.delete(`/OS-TRUST/trusts/${trust}`) }
  },
  async 'the trustor loses the role that was lent'(at) {
    const { token } = await lent(at)
    return { token, blow: () => at.admin.delete(direct(at)) }
  },
}

/** A token of somebody else, by the user's trust. */
async function lent(at: Stage): Promise<{ trust: string; token: string }> {
  await at.grant(direct(at))
  const { id } = await made(at.admin.post('/users', { user: { name: `trustee-${count}`, password: 'pw' } }))
  const spec = { trustor_user_id: at.user, trustee_user_id: id, project_id: at.project, impersonation: false }
  const body = { trust: { ...spec, roles: [{ id: at.role }] } }
  const { id: trust } = await made((await asUser(at)).post('/OS-TRUST/trusts', body))
  return { trust, token: await tokenFor(cloud, passwordAuth({ id }, 'pw', { 'OS-TRUST:trust': { id: trust } })) }
}

/** The token is good there, then it is taken back here, and void as soon as the other process knows. */
async function strike(each: TestContext, name: string, deaf?: () => Promise<void>): Promise<void> {
  const { token, blow, left } = await cases[name]!(await stage())
  for (let i = 0; i < 2; i++) assert.ok(Array.isArray(await there.look(token)), 'the token is good there')
  let knows = deaf ? deaf() : there.knows('change')
  const { status } = await blow()
  assert.ok(status < 300, String(status))
  const began = performance.now()
  const expected = left ?? 401
  for (;;) {
    await knows
    knows = there.knows('change')
    const found = await there.look(token)
    if (isDeepStrictEqual(found, expected)) break
    // the first that it hears may be of what was done before; of this it hears next, or the test's patience ends
    if (deaf) assert.deepEqual(found, expected)
  }
  each.diagnostic(`void there ${(performance.now() - began).toFixed(1)} ms after the answer`)
}

test('a token that a process has seen costs it no query', async () => {
  const at = await stage()
  await at.grant(direct(at))
  const token = await at.token()
  const other = await at.token()
  // what was changed until now is heard of, and both tokens are seen
  const packets = () => there.way.packetsWithout('pileus-ears')
  let before: number
  do {
    before = packets()
    for (const each of [token, other]) assert.deepEqual(await there.look(each), [`n${count}`])
  } while (packets() > before)
  for (let i = 0; i < 50; i++) for (const each of [token, other]) await there.look(each)
  assert.equal(packets(), before)
})

const patience = { timeout: 60_000 }
const names = Object.keys(cases)

for (const name of names) test(`${name}: the other process is told`, patience, (each) => strike(each, name))

for (const name of names.slice(2, 4)) {
  test(`${name}, while the other process is cut off: it knows that it may have missed it`, patience, async (each) => {
    await strike(each, name, () => {
      const deaf = there.knows('deaf')
      there.way.cut()
      return deaf
    })
    await stillThere()
  })
  test(`${name}, while what the other process should hear is lost on the way`, patience, async (each) => {
    await strike(each, name, () => {
      const deaf = there.knows('deaf')
      there.way.silence('pileus-ears')
      return deaf
    })
    there.way.silence(undefined)
    await stillThere()
  })
}

/** It hears again, and keeps what it sees: the next one begins as the first did. */
async function stillThere(): Promise<void> {
  const known = there.knows('change')
  const nudge = async () => {
    await made(asAdmin(cloud).post('/roles', { role: { name: `nudge-${++count}` } }))
  }
  let hears = false
  void known.then(() => (hears = true))
  while (!hears) await nudge()
}
