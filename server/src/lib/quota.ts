// Quotas: the limits are rows, the use is counted from the live resources each time, so there is nothing to drift. Two
// requests of one project are kept apart by a lock that ends with the transaction.
import { and, bigint, type Db, eq, inArray, pgTable, primaryKey, sql, text, type Tx } from '#lib/db.ts'
import { overQuota } from '#lib/fault.ts'

const quota = pgTable(
  'quota',
  {
    service: text().notNull(),
    region: text().notNull(),
    projectId: text('project_id').notNull(),
    resource: text().notNull(),
    hardLimit: bigint('hard_limit', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.service, t.region, t.projectId, t.resource] })],
)

/** Whose quota: a service's, in a region, for a project. */
export interface Scope {
  service: string
  region: string
  projectId: string
}

export interface QuotaResource {
  /** The limit where nobody set one; -1 is none. */
  default: number
  /** How many the project has now. Left out where the limit is only shown or is one of a single request. */
  used?: (db: Db, scope: Scope) => Promise<number>
}
export type QuotaResources = Record<string, QuotaResource>

const known = new Map<string, QuotaResources>()

/** Called by app.ts with each service's manifest. */
export function registerQuotas(service: string, resources: QuotaResources): void {
  known.set(service, resources)
}

const changedDefaults = '' // the project id under which an operator's own defaults are kept

/** The limits of a project: its own, else the operator's defaults, else the built-in ones. -1 is no limit. */
export async function quotaLimits(db: Db, scope: Scope): Promise<Record<string, number>> {
  const rows = await db
    .select()
    .from(quota)
    .where(
      and(
        eq(quota.service, scope.service),
        eq(quota.region, scope.region),
        inArray(quota.projectId, ['', scope.projectId]),
      ),
    )
  const limits: Record<string, number> = {}
  for (const [name, resource] of Object.entries(known.get(scope.service) ?? {})) limits[name] = resource.default
  for (const row of rows.toSorted((a, b) => a.projectId.length - b.projectId.length))
    limits[row.resource] = row.hardLimit
  return limits
}

/** What a project uses of each resource that is counted. */
export async function quotaUse(db: Db, scope: Scope): Promise<Record<string, number>> {
  const use: Record<string, number> = {}
  for (const [name, { used }] of Object.entries(known.get(scope.service) ?? {}))
    if (used) use[name] = await used(db, scope)
  return use
}

/** Sets limits of a project; with `projectId: ''` the defaults of all. */
export async function setQuota(tx: Tx, scope: Scope, limits: Record<string, number>): Promise<void> {
  for (const [resource, hardLimit] of Object.entries(limits)) {
    await tx
      .insert(quota)
      .values({ ...scope, resource, hardLimit })
      .onConflictDoUpdate({
        target: [quota.service, quota.region, quota.projectId, quota.resource],
        set: { hardLimit },
      })
  }
}

/** Back to the defaults. */
export async function clearQuota(tx: Tx, scope: Scope): Promise<void> {
  if (scope.projectId === changedDefaults) return
  await tx
    .delete(quota)
    .where(and(eq(quota.service, scope.service), eq(quota.region, scope.region), eq(quota.projectId, scope.projectId)))
}

/** Projects that have limits of their own. */
export async function projectsWithQuota(db: Db, service: string, region: string): Promise<string[]> {
  const rows = await db
    .selectDistinct({ projectId: quota.projectId })
    .from(quota)
    .where(and(eq(quota.service, service), eq(quota.region, region)))
  return rows.map((row) => row.projectId).filter((id) => id !== changedDefaults)
}

/**
 * Throws overQuota when the project may not have `more` on top of what it has. Call it before the rows are inserted, in
 * the same transaction. The Fault's details are `{resource, limit, used, requested}[]`.
 */
export async function requireQuota(tx: Tx, scope: Scope, more: Record<string, number>): Promise<void> {
  const limits = await quotaLimits(tx, scope)
  const limited = Object.entries(more).filter(([name, amount]) => amount > 0 && (limits[name] ?? -1) >= 0)
  if (limited.length === 0) return
  await tx.rows(
    sql`select pg_advisory_xact_lock(7002, hashtext(${`${scope.service}/${scope.region}/${scope.projectId}`}))`,
  )
  const over = []
  for (const [resource, requested] of limited) {
    const used = (await known.get(scope.service)?.[resource]?.used?.(tx, scope)) ?? 0
    const limit = limits[resource] ?? -1
    if (used + requested > limit) over.push({ resource, limit, used, requested })
  }
  if (over.length === 0) return
  const sentence = over.map((o) => `${o.resource}: ${o.requested} requested, ${o.used} of ${o.limit} used`).join('; ')
  overQuota(`Quota exceeded for ${sentence}.`, { details: over })
}
