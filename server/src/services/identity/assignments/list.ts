// GET /role_assignments: as they were given, or what they come to (`effective`): groups as their members, inherited ones on
// every project below, implied roles beside the roles that imply them.
import { type Db, type SQL, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'

export interface AssignmentFilter {
  userId?: string | undefined
  groupId?: string | undefined
  roleId?: string | undefined
  domainId?: string | undefined
  system?: boolean | undefined
  /** These projects and no others; an empty list means no project. */
  projectIds?: readonly string[] | undefined
  inherited?: boolean | undefined
  /** Only targets of this domain: what a domain-scoped token may see. */
  within?: string | undefined
}

export interface AssignmentRow {
  actorKind: 'user' | 'group'
  actorId: string
  targetKind: 'project' | 'domain' | 'system'
  targetId: string
  roleId: string
  inherited: boolean
  /** Effective only: the group that the user has it from. */
  viaGroup: string | null
  /** Effective only: where it is inherited from. */
  fromKind: 'project' | 'domain' | null
  fromId: string | null
  /** Effective only: the role that implies it. */
  priorRole: string | null
  names: { actor: Labelled | null; target: Labelled | null; role: Labelled | null } | null
}
export interface Labelled {
  name: string
  domainId: string | null
  domainName: string | null
}

const columns = sql`
  actor_kind as "actorKind", actor_id as "actorId", target_kind as "targetKind", target_id as "targetId",
  role_id as "roleId", inherited, via_group as "viaGroup", from_kind as "fromKind", from_id as "fromId",
  prior_role as "priorRole"`

const given = sql`
  select actor_kind, actor_id, target_kind, target_id, role_id, inherited,
    null::text as via_group, null::text as from_kind, null::text as from_id, null::text as prior_role
  from role_assignment`

/** Everything that follows from the assignments of `userId`, or of everyone; only what can reach `projectIds`, if given. */
const followed = ({ userId, projectIds }: AssignmentFilter) => sql`
  with recursive near (id) as (
    select p.id from project p where ${projectIds && projectIds.length > 0 ? sql`p.id in ${[...projectIds]}` : sql`false`}
    union
    select coalesce(p.parent_id, p.domain_id) from near n join project p on p.id = n.id
    where coalesce(p.parent_id, p.domain_id) is not null
  ), held as (
    select a.actor_id as user_id, null::text as via_group, a.target_kind, a.target_id, a.role_id, a.inherited
    from role_assignment a where a.actor_kind = 'user' ${userId === undefined ? sql`` : sql`and a.actor_id = ${userId}`}
      ${projectIds === undefined ? sql`` : sql`and a.target_id in (select id from near)`}
    union all
    select m.user_id, a.actor_id, a.target_kind, a.target_id, a.role_id, a.inherited
    from role_assignment a join group_member m on m.group_id = a.actor_id
    where a.actor_kind = 'group' ${userId === undefined ? sql`` : sql`and m.user_id = ${userId}`}
      ${projectIds === undefined ? sql`` : sql`and a.target_id in (select id from near)`}
  ), below (root, id) as (
    select h.target_id, p.id from (select distinct target_id from held where inherited) h
    join project p on p.parent_id = h.target_id
    union
    select b.root, p.id from below b join project p on p.parent_id = b.id
  ), placed as (
    select user_id, via_group, target_kind, target_id, role_id, null::text as from_kind, null::text as from_id
    from held where not inherited
    union all
    select h.user_id, h.via_group, 'project', b.id, h.role_id, h.target_kind, h.target_id
    from held h join below b on b.root = h.target_id where h.inherited
  ), comes_to (held_id, role_id) as (
    select id, id from role
    union
    select c.held_id, i.implied_role_id from comes_to c join implied_role i on i.prior_role_id = c.role_id
  )
  select 'user'::text as actor_kind, p.user_id as actor_id, p.target_kind, p.target_id, c.role_id,
    p.from_id is not null as inherited, p.via_group, p.from_kind, p.from_id,
    case when c.role_id = p.role_id then null else p.role_id end as prior_role
  from placed p join comes_to c on c.held_id = p.role_id join role r on r.id = c.role_id and r.domain_id is null`

function conditions(filter: AssignmentFilter): SQL {
  const all: SQL[] = [sql`true`]
  if (filter.userId !== undefined) all.push(sql`actor_kind = 'user' and actor_id = ${filter.userId}`)
  if (filter.groupId !== undefined) all.push(sql`actor_kind = 'group' and actor_id = ${filter.groupId}`)
  if (filter.roleId !== undefined) all.push(sql`role_id = ${filter.roleId}`)
  if (filter.system) all.push(sql`target_kind = 'system'`)
  if (filter.domainId !== undefined) all.push(sql`target_kind = 'domain' and target_id = ${filter.domainId}`)
  if (filter.projectIds)
    all.push(
      filter.projectIds.length === 0
        ? sql`false`
        : sql`target_kind = 'project' and target_id in ${[...filter.projectIds]}`,
    )
  if (filter.inherited !== undefined) all.push(sql`inherited = ${filter.inherited}`)
  if (filter.within !== undefined)
    all.push(sql`(target_kind = 'domain' and target_id = ${filter.within}
      or target_kind = 'project' and target_id in (select id from project where domain_id = ${filter.within}))`)
  return sql.join(all, sql` and `)
}

const named = sql`
  jsonb_build_object(
    'actor', case when a.actor_kind = 'user'
      then (select jsonb_build_object('name', u.name, 'domainId', u.domain_id, 'domainName', d.name)
            from identity_user u join project d on d.id = u.domain_id where u.id = a.actor_id)
      else (select jsonb_build_object('name', g.name, 'domainId', g.domain_id, 'domainName', d.name)
            from identity_group g join project d on d.id = g.domain_id where g.id = a.actor_id) end,
    'target', (select jsonb_build_object('name', p.name, 'domainId', p.domain_id, 'domainName', d.name)
               from project p left join project d on d.id = p.domain_id where p.id = a.target_id),
    'role', (select jsonb_build_object('name', r.name, 'domainId', r.domain_id, 'domainName', d.name)
             from role r left join project d on d.id = r.domain_id where r.id = a.role_id))`

// What makes an entry one of a kind, in the order of the primary key; effective ones can be there by several ways.
const order = {
  given: sql`actor_id, target_kind, target_id, role_id, inherited, actor_kind`,
  effective: sql`actor_id, target_kind, target_id, role_id, inherited, actor_kind,
    coalesce(via_group, ''), coalesce(from_id, ''), coalesce(prior_role, '')`,
}
const keyOf = (row: AssignmentRow, effective: boolean) => [
  row.actorId,
  row.targetKind,
  row.targetId,
  row.roleId,
  row.inherited,
  row.actorKind,
  ...(effective ? [row.viaGroup ?? '', row.fromId ?? '', row.priorRole ?? ''] : []),
]

/** One page; `marker` is what the page before gave. Throws invalid for another one. */
export async function listAssignments(
  db: Db,
  filter: AssignmentFilter,
  how: { effective: boolean; names: boolean; limit: number; marker: string | undefined },
): Promise<{ rows: AssignmentRow[]; next: string | undefined }> {
  const columnsInOrder = how.effective ? order.effective : order.given
  const after = how.marker === undefined ? undefined : readMarker(how.marker, how.effective)
  const behind = after
    ? sql`and (${columnsInOrder}) > (${sql.join(
        after.map((value) => sql`${value}`),
        sql`, `,
      )})`
    : sql``
  const found = await db.rows<AssignmentRow>(sql`
    select ${columns}, ${how.names ? named : sql`null`} as names
    from (select * from (${how.effective ? followed(filter) : given}) every
      where ${conditions(filter)} ${behind}
      order by ${columnsInOrder} limit ${how.limit + 1}) a`)
  const rows = found.slice(0, how.limit)
  const last = rows.at(-1)
  return {
    rows,
    next:
      found.length > how.limit && last
        ? Buffer.from(JSON.stringify(keyOf(last, how.effective))).toString('base64url')
        : undefined,
  }
}

function readMarker(marker: string, effective: boolean): (string | boolean)[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(marker, 'base64url').toString())
    const fits = (value: unknown, i: number) => typeof value === (i === 4 ? 'boolean' : 'string')
    if (Array.isArray(key) && key.length === (effective ? 9 : 6) && key.every(fits)) return key as (string | boolean)[]
  } catch {
    // it is not one of ours
  }
  return invalid(`The marker ${marker.slice(0, 60)} could not be found.`)
}
