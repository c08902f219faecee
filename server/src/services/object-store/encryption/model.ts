// Rows: keys of projects, their versions, and how far the data keys are after a change of keys.
import { bigint, boolean, bytea, integer, pgTable, primaryKey, text, timestamp, uuid } from '#lib/db.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const objectKey = pgTable('object_key', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  purpose: text({ enum: ['storage', 'default', 'named'] }).notNull(),
  name: text().notNull(),
  description: text().notNull().default(''),
  enabled: boolean().notNull().default(true),
  deleteAt: moment('delete_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type ObjectKey = typeof objectKey.$inferSelect

export const objectKeyVersion = pgTable(
  'object_key_version',
  {
    keyId: uuid('key_id').notNull(),
    version: integer().notNull(),
    ringSerial: integer('ring_serial').notNull(),
    sealed: bytea().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    retiredAt: moment('retired_at'),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.version] })],
)

export const objectKeyRenewal = pgTable('object_key_renewal', {
  ringSerial: integer('ring_serial').primaryKey(),
  source: text({ enum: ['object', 'object_version'] }).notNull(),
  containerId: bigint('container_id', { mode: 'number' }).notNull(),
  name: text().notNull(),
  version: bigint({ mode: 'number' }).notNull(),
})
