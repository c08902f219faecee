import { bigint, boolean, integer, pgTable, text, timestamp, uuid } from '#lib/db.ts'

export const auditRecord = pgTable('audit_record', {
  seq: bigint({ mode: 'number' }).primaryKey(),
  id: uuid().notNull(),
  at: timestamp({ withTimezone: true, mode: 'date' }).notNull(),
  service: text().notNull(),
  action: text().notNull(),
  outcome: text().$type<Outcome>().notNull(),
  /** Of the HTTP reply; 0 for what the trail says of itself. */
  status: integer().notNull(),
  reason: text(),
  /** How many requests this one record stands for: bad tokens of one address are counted together. */
  attempts: integer().notNull(),
  userId: text('user_id'),
  initiatorProjectId: text('initiator_project_id'),
  address: text(),
  /** Whose record it is: the project of what was written, else that of the one who asked. */
  projectId: text('project_id'),
  targetType: text('target_type').notNull(),
  targetId: text('target_id'),
  region: text(),
  requestId: text('request_id'),
  details: text(),
  hash: text().notNull(),
})
export type AuditRecord = typeof auditRecord.$inferSelect
export type Outcome = 'success' | 'failure'

/** A record that has no place in the chain yet. */
export type Entry = Omit<AuditRecord, 'seq' | 'hash'>

export const auditHead = pgTable('audit_head', {
  single: boolean().primaryKey(),
  baseSeq: bigint('base_seq', { mode: 'number' }).notNull(),
  baseHash: text('base_hash').notNull(),
  seq: bigint({ mode: 'number' }).notNull(),
  hash: text().notNull(),
})
export type AuditHead = typeof auditHead.$inferSelect

export const auditAnchor = pgTable('audit_anchor', {
  seq: bigint({ mode: 'number' }).primaryKey(),
  hash: text().notNull(),
  at: timestamp({ withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
