// Pages of role assignments against a plain reading of the rules: the same tables, followed in memory one by one.
import assert from 'node:assert/strict'
import { before, after, test } from 'node:test'
import { type Db, sql } from '#lib/db.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { type AssignmentRow, listAssignments } from './list.ts'
import type { AssignmentFilter, Given } from './reach.ts'

interface Tables {
  assignments: Given[]
  projects: Map<string, { parent: string | null; domain: string | null; isDomain: boolean }>
  members: { group: string; user: string }[]
  implied: { prior: string; implied: string }[]
  roles: Map<string, { name: string; domain: string | null }>
}

/** A small world with some of everything: trees in two domains, groups in more than one role, an empty one, roles of a domain. */
async function fill(cloud: TestCloud): Promise<void> {
  await cloud.db.transaction(async (tx) => {
    const run = (text: string) => tx.rows(sql.raw(text))
    await run(`insert into project (id, is_domain, name) select 'd' || n, true, 'd' || n from generate_series(0, 1) n`)
    await run(`insert into project (id, domain_id, parent_id, name)
      select 'p' || n, 'd' || n % 2, case when n < 4 then 'd' || n % 2 else 'p' || n - 2 - n % 3 / 2 * 2 end, 'p' || n
      from generate_series(0, 11) n`)
    await run(
      `insert into identity_user (id, domain_id, name) select 'u' || n, 'd' || n % 2, 'u' || n from generate_series(0, 6) n`,
    )
    await run(
      `insert into identity_group (id, domain_id, name) select 'g' || n, 'd' || n % 2, 'g' || n from generate_series(0, 3) n`,
    )
    await run(`insert into group_member (group_id, user_id) select 'g' || n % 3, 'u' || n from generate_series(0, 6) n`)
    await run(`insert into group_member (group_id, user_id) select 'g0', 'u' || n from generate_series(1, 2) n`)
    await run(`insert into role (id, domain_id, name) values ('own', 'd0', 'own'), ('bare', 'd0', 'bare')`)
    await run(`insert into implied_role select 'own', id from role where name = 'member'`)
    const random = seeded(7)
    const pick = <Item>(all: readonly Item[]) => all[Math.floor(random() * all.length)]!
    const roles = [
      ...(await tx.rows<{ id: string }>(sql`select id from role where domain_id is null`)).map(({ id }) => id),
      ...['own', 'bare'],
    ]
    for (let i = 0; i < 90; i++) {
      const [kind, actor] = random() < 0.6 ? ['user', `u${i % 7}`] : ['group', `g${i % 4}`]
      const place = pick(['project', 'project', 'project', 'domain', 'system'])
      const target = { project: `p${Math.floor(random() * 12)}`, domain: pick(['d0', 'd1']), system: '' }[place]!
      const inherited = place !== 'system' && random() < 0.4
      await tx.rows(sql`insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id, inherited)
        values (${kind}, ${actor}, ${place}, ${target}, ${pick(roles)}, ${inherited}) on conflict do nothing`)
    }
  })
}

/** A small generator of numbers that are the same every time. */
function seeded(state: number): () => number {
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

async function read(db: Db): Promise<Tables> {
  const assignments = await db.rows<Given>(sql`
    select actor_kind as "actorKind", actor_id as "actorId", target_kind as "targetKind", target_id as "targetId",
      role_id as "roleId", inherited from role_assignment`)
  const projects = await db.rows<{ id: string; parent: string | null; domain: string | null; isDomain: boolean }>(
    sql`select id, parent_id as parent, domain_id as domain, is_domain as "isDomain" from project`,
  )
  const roles = await db.rows<{ id: string; name: string; domain: string | null }>(
    sql`select id, name, domain_id as domain from role`,
  )
  return {
    assignments,
    projects: new Map(projects.map((row) => [row.id, row])),
    members: await db.rows(sql`select group_id as group, user_id as user from group_member`),
    implied: await db.rows(sql`select prior_role_id as prior, implied_role_id as implied from implied_role`),
    roles: new Map(roles.map((row) => [row.id, row])),
  }
}

const lineOf = (row: Omit<AssignmentRow, 'names'>) =>
  [
    ...[row.actorKind, row.actorId, row.targetKind, row.targetId, row.roleId, row.inherited],
    ...[row.viaGroup, row.fromKind, row.fromId, row.priorRole],
  ].join(' ')

/** Every line that the list should have, by going through all of it. */
function expected(tables: Tables, filter: AssignmentFilter, effective: boolean): string[] {
  const { assignments, projects, members, implied, roles } = tables
  const above = (id: string): string[] => {
    const { parent = null, domain = null } = projects.get(id) ?? {}
    const next = parent ?? domain
    return next === null ? [] : [next, ...above(next)]
  }
  const closure = (role: string): Set<string> => {
    const all = new Set([role])
    for (const each of all) for (const { prior, implied: to } of implied) if (prior === each) all.add(to)
    return all
  }
  const aim = filter.project
  const isInside = (id: string) => aim === undefined || id === aim.id || (aim.subtree && above(id).includes(aim.id))
  const domainOf = (kind: string, id: string) => (kind === 'domain' ? id : projects.get(id)?.domain)
  const fits = (row: Given) =>
    (filter.userId === undefined || (row.actorKind === 'user' && row.actorId === filter.userId)) &&
    (filter.groupId === undefined || (row.actorKind === 'group' && row.actorId === filter.groupId)) &&
    (filter.roleId === undefined || row.roleId === filter.roleId) &&
    (filter.inherited === undefined || row.inherited === filter.inherited) &&
    (!filter.system || row.targetKind === 'system') &&
    (filter.domainId === undefined || (row.targetKind === 'domain' && row.targetId === filter.domainId)) &&
    (aim === undefined || (row.targetKind === 'project' && isInside(row.targetId))) &&
    (filter.within === undefined || domainOf(row.targetKind, row.targetId) === filter.within)
  const none = { viaGroup: null, fromKind: null, fromId: null, priorRole: null }
  if (!effective) return assignments.filter(fits).map((row) => lineOf({ ...row, ...none }))
  return assignments.flatMap((row) => {
    const users =
      row.actorKind === 'user' ? [row.actorId] : members.filter((m) => m.group === row.actorId).map((m) => m.user)
    const below = [...projects].filter(([id, { isDomain }]) => !isDomain && above(id).includes(row.targetId))
    const places = row.inherited
      ? below.map(([id]) => ({ targetKind: 'project' as const, targetId: id }))
      : [{ targetKind: row.targetKind, targetId: row.targetId }]
    return users.flatMap((actorId) =>
      places.flatMap((place) =>
        [...closure(row.roleId)]
          .filter((roleId) => roles.get(roleId)?.domain === null)
          .map((roleId) => ({
            ...{ actorKind: 'user' as const, actorId, ...place, roleId, inherited: row.inherited },
            viaGroup: row.actorKind === 'group' ? row.actorId : null,
            fromKind: row.inherited ? (row.targetKind as 'project' | 'domain') : null,
            fromId: row.inherited ? row.targetId : null,
            priorRole: roleId === row.roleId ? null : row.roleId,
          }))
          .filter(fits)
          .map(lineOf),
      ),
    )
  })
}

const ends: (() => unknown)[] = []
let cloud: TestCloud
let tables: Tables
before(async () => {
  cloud = await testCloud({ after: (end?: unknown) => void ends.push(end as () => unknown) })
  await fill(cloud)
  tables = await read(cloud.db)
})
after(async () => {
  for (const end of ends) await end()
})

async function paged(filter: AssignmentFilter, effective: boolean, limit: number): Promise<string[]> {
  const lines: string[] = []
  let marker: string | undefined
  do {
    const { rows, next } = await listAssignments(cloud.db, filter, { effective, names: false, limit, marker })
    assert.ok(rows.length <= limit)
    lines.push(...rows.map(lineOf))
    marker = next
  } while (marker !== undefined)
  return lines
}

const inOrder = (lines: string[]) => lines.toSorted((a, b) => (a < b ? -1 : 1))

test('whatever is asked for, and however it is paged, each assignment is listed once', async () => {
  const reader = [...tables.roles].find(([, { name }]) => name === 'reader')![0]
  const project = (id: string, subtree = false) => ({ id, subtree, isDomain: id.startsWith('d') })
  const narrowings: AssignmentFilter[] = [
    {},
    { roleId: reader },
    { inherited: true },
    { inherited: false },
    { within: 'd0' },
  ]
  const subjects: AssignmentFilter[] = [
    {},
    { userId: 'u1' },
    { system: true },
    { domainId: 'd0' },
    { project: project('p4') },
    { project: project('p0', true) },
    { project: project('d1', true) },
    { userId: 'u2', project: project('p6') },
    { userId: 'u0', project: project('p1', true) },
    { userId: 'u3', domainId: 'd1' },
  ]
  let seen = 0
  for (const subject of subjects)
    for (const narrowing of narrowings)
      for (const effective of [false, true]) {
        const filter = { ...subject, ...narrowing }
        const wanted = inOrder(expected(tables, filter, effective))
        seen += wanted.length
        for (const limit of [1000, 7]) {
          const found = inOrder(await paged(filter, effective, limit))
          assert.deepEqual(found, wanted, `${JSON.stringify(filter)} effective ${effective} by ${limit}`)
        }
      }
  assert.ok(seen > 1500, `the world is too small to tell anything: ${seen}`)
})

test('a page goes on behind its marker when what it stood at is gone', async () => {
  for (const effective of [false, true]) {
    const first = await listAssignments(cloud.db, {}, { effective, names: false, limit: 5, marker: undefined })
    const whole = await paged({}, effective, 1000)
    const { given } = JSON.parse(Buffer.from(first.next!, 'base64url').toString()) as { given: Given }
    await cloud.db.transaction((tx) =>
      tx.rows(sql`delete from role_assignment where actor_id = ${given.actorId} and target_kind = ${given.targetKind}
        and target_id = ${given.targetId} and role_id = ${given.roleId} and inherited = ${given.inherited}`),
    )
    const second = await listAssignments(cloud.db, {}, { effective, names: false, limit: 1000, marker: first.next })
    const still = await paged({}, effective, 1000)
    assert.ok(still.length < whole.length)
    const lines = second.rows.map(lineOf)
    assert.deepEqual(lines, still.slice(still.length - lines.length))
    assert.ok(lines.length >= whole.length - 5 - (whole.length - still.length))
  }
})
