// Which assignments a list of them is about, and along which index they are read: by who has them, by what they are for, or
// by their role. Each is a total order, so a page is a range of that index.
import { type SQL, sql } from '#lib/db.ts'
import { actorsSql } from '../tokens/roles-of.ts'

export interface AssignmentFilter {
  userId?: string | undefined
  groupId?: string | undefined
  roleId?: string | undefined
  domainId?: string | undefined
  system?: boolean | undefined
  /** This project, and with `subtree` those below it; a domain is a project whose tree is the domain. */
  project?: { id: string; isDomain: boolean; subtree: boolean } | undefined
  inherited?: boolean | undefined
  /** Only targets of this domain: what a domain-scoped token may see. */
  within?: string | undefined
}

/** One assignment as it was given. */
export interface Given {
  actorKind: 'user' | 'group'
  actorId: string
  targetKind: 'project' | 'domain' | 'system'
  targetId: string
  roleId: string
  inherited: boolean
}

type Path = 'actor' | 'target' | 'role'
const orders: Record<Path, readonly (keyof Given)[]> = {
  actor: ['actorId', 'targetKind', 'targetId', 'roleId', 'inherited', 'actorKind'],
  target: ['targetId', 'targetKind', 'actorId', 'roleId', 'inherited', 'actorKind'],
  role: ['roleId', 'actorId', 'targetKind', 'targetId', 'inherited', 'actorKind'],
}
const columns = {
  actorKind: sql`a.actor_kind`,
  actorId: sql`a.actor_id`,
  targetKind: sql`a.target_kind`,
  targetId: sql`a.target_id`,
  roleId: sql`a.role_id`,
  inherited: sql`a.inherited`,
} satisfies Record<keyof Given, SQL>

/** What narrows most: an actor has few, a project has some, a role has many. */
export function pathOf(filter: AssignmentFilter): Path {
  if (filter.userId !== undefined || filter.groupId !== undefined) return 'actor'
  if (filter.system || filter.domainId !== undefined || filter.project || filter.within !== undefined) return 'target'
  return filter.roleId === undefined || filter.inherited ? 'actor' : 'role'
}

/** The values by which the rows of a path are in order. */
export const keyOn = (path: Path, row: Given) => orders[path].map((name) => row[name])

export interface Reading {
  filter: AssignmentFilter
  /** What assignments come to is asked for: those of groups, from above, and of roles that imply the one asked for. */
  effective: boolean
  from: { key: Given; included: boolean } | undefined
  limit: number
}

/** At most `limit` assignments in the order of the filter's path. */
export function givenSql(reading: Reading): SQL {
  const { filter, effective, from, limit } = reading
  const path = pathOf(filter)
  const order = sql.join(
    orders[path].map((name) => columns[name]),
    sql`, `,
  )
  const behind = from
    ? sql`(${order}) ${from.included ? sql`>=` : sql`>`} (${sql.join(
        keyOn(path, from.key).map((value) => sql`${value}`),
        sql`, `,
      )})`
    : undefined
  const own = conditions(reading, path)
  const list = sql`select ${sql.join(
    Object.entries(columns).map(([name, column]) => sql`${column} as ${sql.identifier(name)}`),
    sql`, `,
  )}`
  const where = (...more: (SQL | undefined)[]) =>
    sql.join(
      [sql`true`, ...own, ...more].filter((each) => each !== undefined),
      sql` and `,
    )
  const paged = sql`order by ${order} limit ${limit}`
  if (path === 'target') {
    return sql`
      with recursive ${targetsSql(filter, effective)}
      ${list} from (select id, kind, inherited from target order by id) t cross join lateral (
        select * from role_assignment a where a.target_id = t.id and a.target_kind = t.kind
          and (t.inherited is null or a.inherited = t.inherited) and ${where(behind)} ${paged}) a
      ${from ? sql`where t.id >= ${from.key.targetId}` : sql``}
      order by t.id, a.target_kind, a.actor_id, a.role_id, a.inherited, a.actor_kind limit ${limit}`
  }
  if (path === 'role') {
    return sql`
      ${list} from (select id from (${rolesSql(filter.roleId!, effective)}) r order by id) r cross join lateral (
        select * from role_assignment a where a.role_id = r.id and ${where(behind)} ${paged}) a
      order by r.id, a.actor_id, a.target_kind, a.target_id, a.inherited, a.actor_kind limit ${limit}`
  }
  if (effective && filter.userId !== undefined) {
    return sql`${list} from ${actorsSql(filter.userId)} who
      join role_assignment a on a.actor_id = who.id and a.actor_kind = who.kind where ${where(behind)} ${paged}`
  }
  return sql`${list} from role_assignment a where ${where(behind)} ${paged}`
}

/** What the path does not see to by itself. */
function conditions({ filter, effective }: Reading, path: Path): SQL[] {
  const all: SQL[] = []
  if (filter.userId !== undefined && !effective) all.push(sql`a.actor_kind = 'user' and a.actor_id = ${filter.userId}`)
  if (filter.groupId !== undefined) all.push(sql`a.actor_kind = 'group' and a.actor_id = ${filter.groupId}`)
  if (filter.roleId !== undefined && path !== 'role') {
    if (effective) all.push(sql`a.role_id in (${rolesSql(filter.roleId, true)})`)
    else all.push(sql`a.role_id = ${filter.roleId}`)
  }
  // said as a constant, so that the index of the inherited ones can be used
  if (filter.inherited !== undefined) all.push(filter.inherited ? sql`a.inherited` : sql`not a.inherited`)
  const { within, ...aim } = filter
  if (path === 'actor' && (aim.system || aim.domainId !== undefined || aim.project))
    all.push(sql`exists (with recursive ${targetsSql(aim, effective)}
      select from target t where t.kind = a.target_kind and t.id = a.target_id
        and (t.inherited is null or t.inherited = a.inherited))`)
  if (within !== undefined && (path !== 'target' || aim.system || aim.domainId !== undefined || aim.project))
    all.push(sql`(a.target_kind = 'domain' and a.target_id = ${within} or a.target_kind = 'project'
      and exists (select from project p where p.id = a.target_id and p.domain_id = ${within}))`)
  return all
}

/** The role, and where effects are asked for all that imply it. */
function rolesSql(roleId: string, effective: boolean): SQL {
  if (!effective) return sql`select ${roleId}::text as id`
  return sql`
    with recursive prior (id) as (
      select ${roleId}::text union select i.prior_role_id from prior p join implied_role i on i.implied_role_id = p.id
    ) select id from prior`
}

/**
 * `target (id, kind, inherited)`, with what it is made of: what the filter names, and where effects are asked for what
 * they are inherited from. `inherited` null: of either kind.
 */
function targetsSql(filter: AssignmentFilter, effective: boolean): SQL {
  const target = (rows: SQL) => sql`target (id, kind, inherited) as (${rows})`
  if (filter.system) return target(sql`select '', 'system', null::boolean`)
  // nothing is inherited to a domain
  if (filter.domainId !== undefined)
    return target(sql`select ${filter.domainId}::text, 'domain', ${effective ? sql`false` : sql`null::boolean`}`)
  if (filter.project) {
    const { id, subtree, isDomain } = filter.project
    const inside = insideSql(filter.project)
    if (!effective) return sql`${inside}, ${target(sql`select id, 'project', null::boolean from inside`)}`
    return sql`${inside}, above (id) as (
      select coalesce(p.parent_id, p.domain_id${isDomain ? sql`, p.id` : sql``}) from project p where p.id = ${id}
      union select coalesce(p.parent_id, p.domain_id) from above b join project p on p.id = b.id
      where coalesce(p.parent_id, p.domain_id) is not null
    ), ${target(sql`
      select id, 'project', ${subtree ? sql`null::boolean` : sql`false`} from inside
      union all select p.id, case when p.is_domain then 'domain' else 'project' end, true
      from above b join project p on p.id = b.id`)}`
  }
  const within = filter.within ?? ''
  return target(sql`
    select ${within}::text, 'domain', null::boolean
    union all select p.id, 'project', null::boolean from (${projectsOfSql(within)}) p`)
}

/** `inside (id)`: the project asked for and, with its subtree, all below it. */
export function insideSql({ id, isDomain, subtree }: NonNullable<AssignmentFilter['project']>): SQL {
  if (!subtree) return sql`inside (id) as (select ${id}::text)`
  if (isDomain) return sql`inside (id) as (select ${id}::text union all select p.id from (${projectsOfSql(id)}) p)`
  return sql`inside (id) as (
    select ${id}::text union all select c.id from inside i cross join lateral (${childrenSql(sql`i.id`)}) c)`
}

// in order, so that a page reads the beginning of the index and not all of them
const projectsOfSql = (domainId: string) =>
  sql`select p.id from project p where p.domain_id = ${domainId} order by p.id`

/** The projects right below one. As it stands it is looked up in the index; as a join it might become a scan of them all. */
export const childrenSql = (parent: SQL) => sql`select p.id from project p where p.parent_id = ${parent} offset 0`
