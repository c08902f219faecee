import { and, boolean, type Db, eq, integer, jsonb, pgTable, type SQL, sql, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

const trust = pgTable('trust', {
  id: text().primaryKey(),
  trustorUserId: text('trustor_user_id').notNull(),
  trusteeUserId: text('trustee_user_id').notNull(),
  projectId: text('project_id'),
  impersonation: boolean().notNull(),
  roleIds: text('role_ids').array().notNull(),
  expiresAt: moment('expires_at'),
  remainingUses: integer('remaining_uses'),
  redelegatedTrustId: text('redelegated_trust_id'),
  redelegationCount: integer('redelegation_count').notNull().default(0),
  extra: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Trust = typeof trust.$inferSelect

/** Also one whose uses are used up: tokens made from it live on. */
export async function findTrust(db: Db, id: string): Promise<Trust | undefined> {
  const [row] = await db.select().from(trust).where(eq(trust.id, id))
  return row
}

/** Those that can still be used. */
const usable = sql`(${trust.remainingUses} is null or ${trust.remainingUses} > 0)
  and (${trust.expiresAt} is null or ${trust.expiresAt} > now())`

export async function findUsableTrust(db: Db, id: string): Promise<Trust | undefined> {
  const [row] = await db
    .select()
    .from(trust)
    .where(and(eq(trust.id, id), usable))
  return row
}

export function listTrusts(
  db: Db,
  filter: { trustorUserId?: string | undefined; trusteeUserId?: string | undefined },
): Promise<Trust[]> {
  const where: SQL | undefined = and(
    filter.trustorUserId === undefined ? undefined : eq(trust.trustorUserId, filter.trustorUserId),
    filter.trusteeUserId === undefined ? undefined : eq(trust.trusteeUserId, filter.trusteeUserId),
    usable,
  )
  return db.select().from(trust).where(where).orderBy(trust.id)
}

/** The user whose roles a trust gives: its trustor, or that of the first one in a chain of redelegation. */
export async function originOf(db: Db, row: Trust): Promise<string> {
  if (row.redelegatedTrustId === null) return row.trustorUserId
  const [first] = await db.rows<{ trustor: string }>(sql`
    with recursive up (id, trustor, above, depth) as (
      select id, trustor_user_id, redelegated_trust_id, 0 from trust where id = ${row.id}
      union all
      select t.id, t.trustor_user_id, t.redelegated_trust_id, up.depth + 1
      from up join trust t on t.id = up.above where up.depth < 10
    ) select trustor from up order by depth desc limit 1`)
  return first?.trustor ?? row.trustorUserId
}

export async function insertTrust(tx: Tx, spec: Omit<Trust, 'id' | 'createdAt'>): Promise<Trust> {
  const [row] = await tx
    .insert(trust)
    .values({ ...spec, id: newHexId() })
    .returning()
  const made = row ?? bug('insert returned nothing')
  await emit(tx, { type: 'trust.created', resourceId: made.id, projectId: made.projectId })
  return made
}

/** With all that were made from it. */
export async function removeTrust(tx: Tx, row: Trust): Promise<void> {
  await tx.delete(trust).where(eq(trust.id, row.id))
  await emit(tx, { type: 'trust.deleted', resourceId: row.id, projectId: row.projectId })
}

/** Takes one use. False when none is left, or it has expired. */
export async function consumeUse(tx: Tx, id: string): Promise<boolean> {
  const taken = await tx
    .update(trust)
    .set({ remainingUses: sql`${trust.remainingUses} - 1` })
    .where(and(eq(trust.id, id), usable))
    .returning({ id: trust.id })
  return taken.length > 0
}
