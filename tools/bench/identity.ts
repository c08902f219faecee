// What identity costs in a large cloud: sign-in and token check before and after it is large, then its lists.
import { join } from 'node:path'
import postgres from 'postgres'
import type { BenchCloud } from './cloud.ts'
import { password } from './cloud.ts'
import { landmarks, largeCloud, loadIdentity } from './identity-load.ts'
import type { Line } from './page.ts'
import { cpuMs } from './processes.ts'
import { each } from './servers.ts'

const api = '/identity/v3'
const pageOf = 100
const pageMs = 20
/** Pages that are turned before a page is measured once more. */
const deep = 300
/** What a figure may grow by from an empty cloud to a large one. */
const growth = 1.2

/** Fills the database of a cloud that runs on an embedded one, and measures. */
export async function measureIdentity(cloud: BenchCloud, note: (line: Line) => void): Promise<void> {
  const measured = (what: string, ours: number, target?: number) =>
    note({ what, unit: 'ms', ours, target: target && Number(target.toFixed(2)), openstack: undefined })
  const { user, busyUser, project, largeDomain } = landmarks
  const domain = { name: 'Default' }
  const small = await signing(cloud, { name: 'admin', domain }, { project: { name: 'admin', domain } })
  await load(join(cloud.run, '../postgres/socket'))
  for (const id of [user, busyUser]) await cloud.call('PATCH', `${api}/users/${id}`, { user: { password } })
  const large = await signing(cloud, { id: user }, { project: { id: project } })
  const { projects } = await cloud.call<{ projects: { id: string }[] }>('GET', `${api}/projects?name=project-7`)
  const busy = await signing(cloud, { id: busyUser }, { project: { id: projects[0]?.id } })
  measured('password sign-in, empty cloud', small.signInMs, 60)
  measured('… large cloud', large.signInMs, small.signInMs * growth)
  measured('… of a user with 1,000 assignments', busy.signInMs, small.signInMs * growth)
  measured('token check, empty cloud', small.checkMs, 0.15)
  measured('… large cloud', large.checkMs, small.checkMs * growth)
  measured('… of a user with 1,000 assignments', busy.checkMs, small.checkMs * growth)

  const { roles } = await cloud.call<{ roles: { id: string; name: string }[] }>('GET', `${api}/roles`)
  const manager = roles.find(({ name }) => name === 'manager')?.id ?? ''
  const list = async (what: string, path: string, target?: number) =>
    measured(what, await cost(cloud, 40, 1, () => cloud.call('GET', `${api}${path}`)), target)
  for (const [what, query] of [
    ['all, as given', ''],
    ['all, with names', 'include_names'],
    ['one role', `role.id=${manager}&include_names`],
    ['one project', `scope.project.id=${project}&include_names`],
    ['25,000 projects of a domain', `scope.project.id=${largeDomain}&include_subtree&include_names`],
    ['a user with 1,000', `user.id=${busyUser}&include_names`],
    ['inherited ones', 'scope.OS-INHERIT:inherited_to=projects&include_names'],
    ['effective: all', 'effective'],
    ['effective: all, with names', 'effective&include_names'],
    ['effective: one role', `effective&role.id=${manager}&include_names`],
    ['effective: one project', `effective&scope.project.id=${project}&include_names`],
    ['effective: 25,000 projects', `effective&scope.project.id=${largeDomain}&include_subtree&include_names`],
    ['effective: a user with 1,000', `effective&user.id=${busyUser}&include_names`],
    ['effective: inherited ones', 'effective&scope.OS-INHERIT:inherited_to=projects&include_names'],
  ] as const) {
    const path = `/role_assignments?${query}&limit=${pageOf}`
    await list(`role assignments, page of ${pageOf}: ${what}`, path, pageMs)
    const further = await turnPages(cloud, path)
    if (further !== undefined) await list(`… ${deep} pages on`, further, pageMs)
  }
  await list('users by name', '/users?name=user-77777')
  await list('a page of 100 users of a domain', '/users?domain_id=bench-domain-3&limit=100')
  await list('projects by name', '/projects?name=project-7777')
  await list('a page of 100 projects of a domain', `/projects?domain_id=${largeDomain}&limit=100`)
  await list('the 1,000 projects of a user', `/users/${busyUser}/projects`)
}

async function load(socket: string): Promise<void> {
  const db = postgres({ host: socket, port: 5432, database: 'pileus', username: 'pileus', onnotice: () => {} })
  try {
    await loadIdentity(db, largeCloud)
  } finally {
    await db.end()
  }
}

async function signing(cloud: BenchCloud, user: object, scope: object) {
  const token = await cloud.signIn(user, scope)
  return {
    signInMs: await cost(cloud, 100, 4, () => cloud.signIn(user, scope)),
    checkMs: await cost(cloud, 20_000, 16, () => cloud.checkToken(token)),
  }
}

/** The page that many pages on, if there is one. */
async function turnPages(cloud: BenchCloud, path: string): Promise<string | undefined> {
  let marker = ''
  for (let i = 0; i < deep; i++) {
    const page = `${api}${path}${marker && `&marker=${marker}`}`
    const { links } = await cloud.call<{ links: { next: string | null } }>('GET', page)
    if (links.next === null) return undefined
    marker = new URL(links.next).searchParams.get('marker') ?? ''
  }
  return `${path}&marker=${marker}`
}

/** CPU of all our processes for each of `count` calls, `atOnce` of them at a time, when they are warm. */
async function cost(cloud: BenchCloud, count: number, atOnce: number, work: () => Promise<unknown>): Promise<number> {
  await each(Math.ceil(count / 2), atOnce, work)
  const from = cpuMs(cloud.run)
  await each(count, atOnce, work)
  return (cpuMs(cloud.run) - from) / count
}
