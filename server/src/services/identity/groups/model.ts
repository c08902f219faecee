import { and, type Db, eq, isDuplicate, type SQL, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { newHexId } from '#lib/id.ts'
import { matching, type TextFilter } from '../matching.ts'
import { type Group, group } from '../model.ts'

export async function findGroup(db: Db, id: string): Promise<Group | undefined> {
  const [row] = await db
    .select()
    .from(group)
    .where(and(eq(group.id, id), eq(group.gone, false)))
  return row
}
/** Throws notFound. */
export async function getGroup(db: Db, id: string): Promise<Group> {
  return (await findGroup(db, id)) ?? notFound('Group', id)
}

export function listGroups(
  db: Db,
  filter: {
    text: TextFilter<'name' | 'domain_id'>[]
    within?: string | undefined
    withMember?: string
    /** Only these. */
    ids?: readonly string[] | undefined
  },
  page: Page,
) {
  const where: SQL | undefined = and(
    eq(group.gone, false),
    filter.ids && sql`${group.id} in (select jsonb_array_elements_text(${JSON.stringify(filter.ids)}::text::jsonb))`,
    filter.within === undefined ? undefined : eq(group.domainId, filter.within),
    filter.withMember === undefined
      ? undefined
      : sql`${group.id} in (select group_id from membership where user_id = ${filter.withMember})`,
    matching({ name: group.name, domain_id: group.domainId }, filter.text),
  )
  return listPage(db, group, group.id, where, page)
}

/** Throws conflict for a name in use. */
export async function insertGroup(
  tx: Tx,
  spec: Pick<Group, 'domainId' | 'name' | 'description' | 'extra'>,
): Promise<Group> {
  const row = await unique(tx, spec.name, (inner) =>
    inner
      .insert(group)
      .values({ ...spec, name: spec.name.trim(), id: newHexId() })
      .returning(),
  )
  await emit(tx, { type: 'group.created', resourceId: row.id })
  return row
}

/** Throws conflict for a name in use. */
export async function updateGroup(
  tx: Tx,
  id: string,
  change: Partial<Pick<Group, 'name' | 'description' | 'extra'>>,
): Promise<Group> {
  if (Object.keys(change).length === 0) return getGroup(tx, id)
  const row = await unique(tx, change.name ?? '', (inner) =>
    inner.update(group).set(change).where(eq(group.id, id)).returning(),
  )
  await emit(tx, { type: 'group.updated', resourceId: id })
  return row
}

export async function removeGroup(tx: Tx, { id }: Pick<Group, 'id'>): Promise<void> {
  await tx.rows(sql`delete from role_assignment where actor_kind = 'group' and actor_id = ${id}`)
  await tx.delete(group).where(eq(group.id, id))
  await emit(tx, { type: 'group.deleted', resourceId: id })
}

async function unique(tx: Tx, name: string, work: (inner: Tx) => Promise<Group[]>): Promise<Group> {
  try {
    const [row] = await tx.transaction(work)
    return row ?? bug('nothing was written')
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already a group named ${name} in this domain.`, { cause: error })
    throw error
  }
}
