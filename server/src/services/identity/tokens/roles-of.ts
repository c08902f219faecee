import { type Db, sql } from '#lib/db.ts'

export interface RoleRef {
  id: string
  name: string
  domainId: string | null
}

/** The roles of a user in a target; see rolesSql. */
export async function rolesOf(
  db: Db,
  userId: string,
  target: 'project' | 'domain' | 'system',
  targetId: string,
  also: { domainRoles?: boolean } = {},
): Promise<RoleRef[]> {
  const [row] = await db.rows<{ roles: RoleRow[] | null }>(
    sql`select ${rolesSql(userId, target, targetId, also)} as roles`,
  )
  return readRoles(row?.roles)
}

export interface RoleRow {
  id: string
  name: string
  domain_id: string | null
}
export function readRoles(rows: readonly RoleRow[] | null | undefined): RoleRef[] {
  return (rows ?? []).map(({ id, name, domain_id: domainId }) => ({ id, name, domainId }))
}

/** SQL for a user and the groups they are in: joined, so that the assignments of each are found by index. */
export function actorsSql(userId: string) {
  return sql`(
    select 'user'::text as kind, ${userId}::text as id
    union all select 'group', m.group_id from membership m where m.user_id = ${userId})`
}

/**
 * SQL for the roles of a user in a target as a JSON array: direct ones, those of groups, those inherited from the
 * project's ancestors and its domain, and all that these imply. A domain's own roles only lead to what they imply, unless
 * `domainRoles` asks for them too.
 */
export function rolesSql(
  userId: string,
  target: 'project' | 'domain' | 'system',
  targetId: string,
  { domainRoles = false }: { domainRoles?: boolean } = {},
) {
  return sql`(
    with recursive ancestor (id, depth) as (
      select ${targetId}::text, 0
      union all
      select coalesce(p.parent_id, p.domain_id), a.depth + 1 from ancestor a join project p on p.id = a.id
      where coalesce(p.parent_id, p.domain_id) is not null and a.depth < 20
    ), held as (
      select a.role_id from ${actorsSql(userId)} who
      join role_assignment a on a.actor_id = who.id and a.actor_kind = who.kind
      where (a.target_kind = ${target} and a.target_id = ${targetId} and not a.inherited
          or ${target === 'project'} and a.inherited and a.target_kind in ('project', 'domain')
             and a.target_id in (select c.id from ancestor c where c.depth > 0))
    ), every (role_id) as (
      select role_id from held
      union
      select i.implied_role_id from every e join implied_role i on i.prior_role_id = e.role_id
    )
    select jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'domain_id', r.domain_id) order by r.name)
    from role r where r.id in (select role_id from every) and (r.domain_id is null or ${domainRoles}))`
}
