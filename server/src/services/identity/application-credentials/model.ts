import { and, boolean, type Db, eq, inArray, isDuplicate, pgTable, sql, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, forbidden, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { domainOf, type WhoSignsIn } from '../users/sign-in.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

const applicationCredential = pgTable('application_credential', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  projectId: text('project_id').notNull(),
  name: text().notNull(),
  description: text(),
  secretHash: text('secret_hash').notNull(),
  roleIds: text('role_ids').array().notNull(),
  unrestricted: boolean().notNull().default(false),
  accessRuleIds: text('access_rule_ids').array(),
  expiresAt: moment('expires_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type ApplicationCredential = typeof applicationCredential.$inferSelect

const accessRule = pgTable('access_rule', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  service: text().notNull(),
  method: text().notNull(),
  path: text().notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type AccessRule = typeof accessRule.$inferSelect

export async function findApplicationCredential(db: Db, id: string): Promise<ApplicationCredential | undefined> {
  const [row] = await db.select().from(applicationCredential).where(eq(applicationCredential.id, id))
  return row
}
/** One query, whether or not there is such an owner. */
export async function findApplicationCredentialByName(
  db: Db,
  owner: WhoSignsIn,
  name: string,
): Promise<ApplicationCredential | undefined> {
  const ownerId =
    'id' in owner
      ? sql`${owner.id}`
      : sql`(
          select id from identity_user
          where name = ${owner.name} and domain_id = ${domainOf(owner.domain)} and not gone and not federated limit 1)`
  const [row] = await db
    .select()
    .from(applicationCredential)
    .where(and(eq(applicationCredential.userId, ownerId), eq(applicationCredential.name, name)))
  return row
}
export function listApplicationCredentials(
  db: Db,
  userId: string,
  name: string | undefined,
): Promise<ApplicationCredential[]> {
  return db
    .select()
    .from(applicationCredential)
    .where(
      and(
        eq(applicationCredential.userId, userId),
        name === undefined ? undefined : eq(applicationCredential.name, name),
      ),
    )
    .orderBy(applicationCredential.id)
}

/** Throws conflict when the user has one of this name. */
export async function insertApplicationCredential(
  tx: Tx,
  spec: Omit<ApplicationCredential, 'id' | 'createdAt'>,
): Promise<ApplicationCredential> {
  try {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(applicationCredential)
        .values({ ...spec, id: newHexId() })
        .returning(),
    )
    const made = row ?? bug('insert returned nothing')
    await emit(tx, {
      type: 'application_credential.created',
      resourceId: made.id,
      projectId: made.projectId,
    })
    return made
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already an application credential named ${spec.name}.`, { cause: error })
    throw error
  }
}
export async function removeApplicationCredential(tx: Tx, row: ApplicationCredential): Promise<void> {
  await tx.delete(applicationCredential).where(eq(applicationCredential.id, row.id))
  await emit(tx, { type: 'application_credential.deleted', resourceId: row.id, projectId: row.projectId })
}

/** The user's rule of this content; made when there is none. */
export async function ensureAccessRule(
  tx: Tx,
  userId: string,
  rule: Pick<AccessRule, 'service' | 'method' | 'path'>,
): Promise<AccessRule> {
  const [made] = await tx
    .insert(accessRule)
    .values({ ...rule, userId, id: newHexId() })
    .onConflictDoNothing()
    .returning()
  if (made) return made
  const [same] = await tx
    .select()
    .from(accessRule)
    .where(
      and(
        eq(accessRule.userId, userId),
        eq(accessRule.service, rule.service),
        eq(accessRule.method, rule.method),
        eq(accessRule.path, rule.path),
      ),
    )
  return same ?? bug('an access rule is there and is not')
}
export async function findAccessRule(db: Db, userId: string, id: string): Promise<AccessRule | undefined> {
  const [row] = await db
    .select()
    .from(accessRule)
    .where(and(eq(accessRule.userId, userId), eq(accessRule.id, id)))
  return row
}
/** Throws notFound. */
export async function getAccessRule(db: Db, userId: string, id: string): Promise<AccessRule> {
  return (await findAccessRule(db, userId, id)) ?? notFound('Access rule', id)
}
export function listAccessRules(db: Db, userId: string): Promise<AccessRule[]> {
  return db.select().from(accessRule).where(eq(accessRule.userId, userId)).orderBy(accessRule.id)
}
export async function listAccessRulesById(db: Db, ids: readonly string[]): Promise<AccessRule[]> {
  if (ids.length === 0) return []
  return db
    .select()
    .from(accessRule)
    .where(inArray(accessRule.id, [...ids]))
    .orderBy(accessRule.id)
}
/** Throws forbidden while an application credential has it. */
export async function removeAccessRule(tx: Tx, row: AccessRule): Promise<void> {
  const [user] = await tx
    .select({ id: applicationCredential.id })
    .from(applicationCredential)
    .where(sql`${row.id} = any(${applicationCredential.accessRuleIds})`)
    .limit(1)
  if (user) forbidden(`Access rule ${row.id} is in use by application credential ${user.id}.`)
  await tx.delete(accessRule).where(eq(accessRule.id, row.id))
}
