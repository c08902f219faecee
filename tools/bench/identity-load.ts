// Fills a database with the identity of a large cloud: projects in domains, some below others, users, groups, and who has
// which role where. Bulk SQL, in one transaction; the same data for the same numbers.
import type { Sql } from 'postgres'

export interface Size {
  projects: number
  users: number
  assignments: number
}
export const largeCloud: Size = { projects: 50_000, users: 100_000, assignments: 500_000 }

/** What there is of special kinds, to ask about. */
export const landmarks = {
  /** Half of all projects, and a group that inherits a role on all of them. */
  largeDomain: 'bench-domain-0',
  /** Has a role in a thousand projects. */
  busyUser: 'bench-busy',
  /** A usual user, who has a role in `project`. */
  user: 'bench-user',
  project: 'bench-project',
} as const

const domains = 50
const groups = 5_000
const busy = 1_000

/** Throws when it was loaded already. Nobody has a password. */
export async function loadIdentity(db: Sql, size: Size): Promise<void> {
  const { largeDomain, busyUser, user, project } = landmarks
  await db.begin('read write', async (tx) => {
    await tx`insert into project (id, parent_id, is_domain, name)
      select 'bench-domain-' || d, null, true, 'bench-domain-' || d from generate_series(0, ${domains - 1}) d`
    // every other one in the large domain; one in five below another one of its domain
    await tx`insert into project (id, domain_id, parent_id, name, tags)
      select md5('p' || p), d.id, case when p / ${domains}::int % 5 = 4 then md5('p' || (p - ${domains}::int)) else d.id end, 'project-' || p,
        case when p % 100 = 0 then array['hundredth'] else '{}' end
      from generate_series(0, ${size.projects - 2}) p
      cross join lateral (select 'bench-domain-' || case when p % 2 = 0 then 0 else p % ${domains}::int end as id) d
      order by p`
    await tx`insert into project (id, domain_id, parent_id, name) values (${project}, ${largeDomain}, ${largeDomain}, ${project})`
    await tx`insert into identity_user (id, domain_id, name, email)
      select md5('u' || u), 'bench-domain-' || u % ${domains}::int, 'user-' || u, 'user-' || u || '@example.org'
      from generate_series(0, ${size.users - 3}) u`
    await tx`insert into identity_user (id, domain_id, name)
      select id, ${largeDomain}, id from unnest(${[user, busyUser]}::text[]) id`
    await tx`insert into identity_group (id, domain_id, name)
      select md5('g' || g), 'bench-domain-' || g % ${domains}::int, 'group-' || g from generate_series(0, ${groups - 1}) g`
    await tx`insert into group_member (group_id, user_id)
      select md5('g' || g), md5('u' || (g * 7 + n * 13) % ${size.users - 2}::int)
      from generate_series(0, ${groups - 1}) g, generate_series(0, 19) n on conflict do nothing`
    const role = (n: string) => tx`(array['member', 'reader', 'reader', 'manager', 'reader'])[1 + ${tx.unsafe(n)} % 5]`
    const given = tx`insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id, inherited)`
    await tx`${given} select 'user', ${user}, 'project', ${project}, id, false from role where name = 'member'`
    await tx`${given} select 'user', ${busyUser}, 'project', md5('p' || p * 7), r.id, false
      from generate_series(0, ${busy - 1}) p join role r on r.name = 'member'`
    // a few on domains, inherited by all their projects; some of groups; two on the system
    await tx`${given} select 'group', md5('g' || g), 'domain', 'bench-domain-' || g % ${domains}::int, r.id, g % 3 > 0
      from generate_series(0, 299) g join role r on r.name = ${role('g')}`
    await tx`${given} select 'user', md5('u' || u), 'system', '', r.id, false
      from generate_series(0, 1) u join role r on r.name = 'reader'`
    await tx`${given} select 'group', md5('g' || n % ${groups}::int), 'project', md5('p' || (n * 31) % ${size.projects - 1}::int), r.id, n % 50 = 0
      from generate_series(0, ${Math.floor(size.assignments / 10)}) n join role r on r.name = ${role('n')}
      on conflict do nothing`
    const [{ count } = { count: 0 }] = await tx<{ count: number }[]>`select count(*)::int as count from role_assignment`
    await tx`${given} select 'user', md5('u' || n % ${size.users - 2}::int), 'project',
        md5('p' || (n * 17 + n / ${size.users - 2}::int * 101) % ${size.projects - 1}::int), r.id, n % 1000 = 0
      from generate_series(0, ${size.assignments - count - 1}) n join role r on r.name = ${role('n')}
      on conflict do nothing`
  })
  await db.unsafe('analyze project, identity_user, identity_group, group_member, role_assignment, password')
}
