// The tables of identity. Queries live beside the nouns; these are here because roles, tokens and assignments join them all.
import { bigint, boolean, date, jsonb, pgTable, primaryKey, text, timestamp, integer } from '#lib/db.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
type Json = Record<string, unknown>

/** Projects and domains: a domain is a row with `isDomain` and no domain of its own. */
export const project = pgTable('project', {
  id: text().primaryKey(),
  domainId: text('domain_id'),
  parentId: text('parent_id'),
  isDomain: boolean('is_domain').notNull().default(false),
  name: text().notNull(),
  description: text().notNull().default(''),
  enabled: boolean().notNull().default(true),
  tags: text().array().notNull().default([]),
  options: jsonb().$type<Json>().notNull().default({}),
  extra: jsonb().$type<Json>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Project = typeof project.$inferSelect

/** Of users and groups that a directory keeps (LDAP); nothing for those that are our own. */
const ofDirectory = {
  /** The directory's own id. */
  localId: text('local_id'),
  /** When the directory was last asked about this one. */
  seenAt: moment('seen_at'),
  /** The directory has it no longer. */
  gone: boolean().notNull().default(false),
}

export const user = pgTable('identity_user', {
  id: text().primaryKey(),
  domainId: text('domain_id').notNull(),
  name: text().notNull(),
  enabled: boolean().notNull().default(true),
  defaultProjectId: text('default_project_id'),
  description: text(),
  email: text(),
  options: jsonb().$type<Json>().notNull().default({}),
  extra: jsonb().$type<Json>().notNull().default({}),
  tokensValidFrom: moment('tokens_valid_from').notNull().default(new Date(0)),
  failedAuthCount: integer('failed_auth_count').notNull().default(0),
  failedAuthAt: moment('failed_auth_at'),
  lastActiveAt: date('last_active_at', { mode: 'string' }),
  /** Vouched for by an identity provider: the name is what that says, and is nobody's to sign in by. */
  federated: boolean().notNull().default(false),
  ...ofDirectory,
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type User = typeof user.$inferSelect

export const password = pgTable('password', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  userId: text('user_id').notNull(),
  hash: text().notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  expiresAt: moment('expires_at'),
  selfService: boolean('self_service').notNull().default(false),
})

export const group = pgTable('identity_group', {
  id: text().primaryKey(),
  domainId: text('domain_id').notNull(),
  name: text().notNull(),
  description: text().notNull().default(''),
  extra: jsonb().$type<Json>().notNull().default({}),
  ...ofDirectory,
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Group = typeof group.$inferSelect
export const groupMember = pgTable(
  'group_member',
  { groupId: text('group_id').notNull(), userId: text('user_id').notNull() },
  (t) => [primaryKey({ columns: [t.groupId, t.userId] })],
)

/** By whom and as what a user is vouched for. */
export const federatedUser = pgTable('federated_user', {
  userId: text('user_id').primaryKey(),
  providerId: text('provider_id').notNull(),
  protocolId: text('protocol_id').notNull(),
  uniqueId: text('unique_id').notNull(),
})
/** Groups that a mapping gave, and until when. The view `membership` has them beside those of `groupMember`. */
export const federatedMembership = pgTable(
  'federated_membership',
  { userId: text('user_id').notNull(), groupId: text('group_id').notNull(), expiresAt: moment('expires_at').notNull() },
  (t) => [primaryKey({ columns: [t.userId, t.groupId] })],
)

export const role = pgTable('role', {
  id: text().primaryKey(),
  domainId: text('domain_id'),
  name: text().notNull(),
  description: text(),
  options: jsonb().$type<Json>().notNull().default({}),
  extra: jsonb().$type<Json>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Role = typeof role.$inferSelect
export const impliedRole = pgTable(
  'implied_role',
  { priorRoleId: text('prior_role_id').notNull(), impliedRoleId: text('implied_role_id').notNull() },
  (t) => [primaryKey({ columns: [t.priorRoleId, t.impliedRoleId] })],
)
export const roleAssignment = pgTable(
  'role_assignment',
  {
    actorKind: text('actor_kind', { enum: ['user', 'group'] }).notNull(),
    actorId: text('actor_id').notNull(),
    targetKind: text('target_kind', { enum: ['project', 'domain', 'system'] }).notNull(),
    targetId: text('target_id').notNull(),
    roleId: text('role_id').notNull(),
    inherited: boolean().notNull().default(false),
  },
  (t) => [primaryKey({ columns: [t.actorId, t.targetKind, t.targetId, t.roleId, t.inherited, t.actorKind] })],
)
export type RoleAssignment = typeof roleAssignment.$inferSelect

export const region = pgTable('region', {
  id: text().primaryKey(),
  description: text().notNull().default(''),
  parentRegionId: text('parent_region_id'),
  extra: jsonb().$type<Json>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Region = typeof region.$inferSelect
export const service = pgTable('service', {
  id: text().primaryKey(),
  type: text().notNull(),
  name: text(),
  description: text(),
  enabled: boolean().notNull().default(true),
  extra: jsonb().$type<Json>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type ServiceRow = typeof service.$inferSelect
export const endpoint = pgTable('endpoint', {
  id: text().primaryKey(),
  serviceId: text('service_id').notNull(),
  regionId: text('region_id'),
  interface: text({ enum: ['public', 'internal', 'admin'] }).notNull(),
  url: text().notNull(),
  enabled: boolean().notNull().default(true),
  name: text(),
  extra: jsonb().$type<Json>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Endpoint = typeof endpoint.$inferSelect

export const tokenRevocation = pgTable('token_revocation', {
  auditId: text('audit_id').primaryKey(),
  revokedAt: moment('revoked_at').notNull().defaultNow(),
  expiresAt: moment('expires_at').notNull(),
})
