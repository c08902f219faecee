// What assignments come to: those of groups for each member, inherited ones on every project below, and beside each role
// those that it implies. Each assignment is followed only as far as a page needs.
import { type SQL, sql } from '#lib/db.ts'
import { type AssignmentFilter, childrenSql, type Given, insideSql } from './reach.ts'

export interface Effect extends Given {
  /** The group that the user has it from. */
  viaGroup: string | null
  /** Where it is inherited from. */
  fromKind: 'project' | 'domain' | null
  fromId: string | null
  /** The role that implies it. */
  priorRole: string | null
  /** Which of the assignments it follows from. */
  nr: number
}
/** Where among the effects of one assignment a page ended. */
export interface Cursor {
  userId: string
  targetId: string
  roleId: string
}

/**
 * The effects of these assignments, in their order and then by user, place and role; at most `limit`. `behind`: the first
 * one's are wanted from there on only.
 */
export function effectsSql(
  rows: readonly Given[],
  filter: AssignmentFilter,
  behind: Cursor | undefined,
  limit: number,
): SQL {
  const { userId, roleId, project } = filter
  // one more than a page: the first may be behind the cursor's place but not behind its role
  const few = limit + 1
  const numbered = JSON.stringify(
    rows.map((row, nr) => ({
      nr,
      actor_kind: row.actorKind,
      actor_id: row.actorId,
      target_kind: row.targetKind,
      target_id: row.targetId,
      role_id: row.roleId,
      inherited: row.inherited,
    })),
  )
  const ofUser = userId === undefined ? sql`` : sql`and m.user_id = ${userId}`
  const ofRole = roleId === undefined ? sql`` : sql`and c.role_id = ${roleId}`
  const fromUser = behind ? sql`and (g.nr > 0 or m.user_id >= ${behind.userId})` : sql``
  const fromPlace = behind
    ? sql`and p.id >= case when g.nr = 0 and u.user_id = ${behind.userId} then ${behind.targetId} else '' end`
    : sql``
  const fromRole = behind
    ? sql`where g.nr > 0 or (u.user_id, p.id, r.role_id) > (${behind.userId}, ${behind.targetId}, ${behind.roleId})`
    : sql``
  const isInside = sql`exists (select from inside i where i.id = g.target_id)`
  // from above, all that was asked for is reached; from within it, and without a limit, what is below
  const atOnce = project
    ? sql`select i.id from inside i where i.id <> g.target_id and (g.target_kind = 'domain' or not ${isInside})`
    : sql`select c.id from project c where c.domain_id = g.target_id and g.target_kind = 'domain'`
  const byTree = sql`g.inherited and g.target_kind = 'project' ${project ? sql`and ${isInside}` : sql``}`
  return sql`
    with recursive comes_to (held_id, role_id) as (
      select id, id from role
      union
      select c.held_id, i.implied_role_id from comes_to c join implied_role i on i.prior_role_id = c.role_id
    ) ${project ? sql`, ${insideSql(project)}` : sql``}
    select g.nr, 'user'::text as "actorKind", e.user_id as "actorId", e.kind as "targetKind", e.id as "targetId",
      e.role_id as "roleId", g.inherited, e.via_group as "viaGroup",
      case when g.inherited then g.target_kind end as "fromKind", case when g.inherited then g.target_id end as "fromId",
      case when e.role_id <> g.role_id then g.role_id end as "priorRole"
    from jsonb_to_recordset(${numbered}::text::jsonb) as g (nr integer, actor_kind text, actor_id text,
      target_kind text, target_id text, role_id text, inherited boolean)
    cross join lateral (
      select u.user_id, u.via_group, p.kind, p.id, r.role_id
      from (
        select g.actor_id as user_id, null::text as via_group where g.actor_kind = 'user'
        union all
        select m.user_id, m.group_id from membership m
        where g.actor_kind = 'group' and m.group_id = g.actor_id ${ofUser} ${fromUser}
        order by user_id limit ${few}
      ) u
      cross join lateral (
        select g.target_kind as kind, g.target_id as id where not g.inherited
        union all
        (select 'project', p.id from (${atOnce}) p where g.inherited ${fromPlace} order by p.id limit ${few})
        union all
        (select 'project', p.id from (
          with recursive below (id) as (
            select c.id from project c where ${byTree} and c.parent_id = g.target_id
            union all select c.id from below b cross join lateral (${childrenSql(sql`b.id`)}) c
          ) select id from below
        ) p where g.inherited ${fromPlace} order by p.id limit ${few})
        order by id limit ${few}
      ) p
      cross join lateral (
        select c.role_id from comes_to c join role on role.id = c.role_id and role.domain_id is null
        where c.held_id = g.role_id ${ofRole} order by c.role_id
      ) r
      ${fromRole}
      order by u.user_id, p.id, r.role_id limit ${limit}
    ) e
    order by g.nr, e.user_id, e.id, e.role_id limit ${limit}`
}
