import {
  and,
  boolean,
  type Db,
  eq,
  inArray,
  integer,
  isDuplicate,
  pgTable,
  type SQL,
  text,
  timestamp,
  type Tx,
} from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { newHexId } from '#lib/id.ts'
import { matching, type TextFilter } from '../../matching.ts'
import { insertProject } from '../../projects/model.ts'
import { removeVouched } from '../users/model.ts'

const provider = pgTable('identity_provider', {
  id: text().primaryKey(),
  domainId: text('domain_id').notNull(),
  enabled: boolean().notNull(),
  description: text(),
  authorizationTtlMinutes: integer('authorization_ttl'),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
const remoteId = pgTable('identity_provider_remote_id', {
  remoteId: text('remote_id').primaryKey(),
  providerId: text('provider_id').notNull(),
})
/** A provider with the names it calls itself by. */
export type IdentityProvider = typeof provider.$inferSelect & { remoteIds: string[] }

async function withRemoteIds(db: Db, rows: readonly (typeof provider.$inferSelect)[]): Promise<IdentityProvider[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const known = await db.select().from(remoteId).where(inArray(remoteId.providerId, ids)).orderBy(remoteId.remoteId)
  return rows.map((row) => ({
    ...row,
    remoteIds: known.filter(({ providerId }) => providerId === row.id).map((each) => each.remoteId),
  }))
}

export async function findIdentityProvider(db: Db, id: string): Promise<IdentityProvider | undefined> {
  return (await withRemoteIds(db, await db.select().from(provider).where(eq(provider.id, id))))[0]
}
/** The provider that calls itself so. */
export async function findByRemoteId(db: Db, name: string): Promise<IdentityProvider | undefined> {
  const [found] = await db.select().from(remoteId).where(eq(remoteId.remoteId, name))
  return found && findIdentityProvider(db, found.providerId)
}
export async function listIdentityProviders(
  db: Db,
  filter: { text: TextFilter<'id'>[]; enabled: boolean | undefined },
  page: Page,
) {
  const where: SQL | undefined = and(
    filter.enabled === undefined ? undefined : eq(provider.enabled, filter.enabled),
    matching({ id: provider.id }, filter.text),
  )
  const { rows, more } = await listPage(db, provider, provider.id, where, page)
  return { rows: await withRemoteIds(db, rows), more }
}

export type NewIdentityProvider = Pick<
  IdentityProvider,
  'id' | 'enabled' | 'description' | 'authorizationTtlMinutes' | 'remoteIds'
> & { domainId: string | null }

/** Without a domain it is given one of its own. Throws conflict for an id or a remote id in use. */
export async function insertIdentityProvider(tx: Tx, spec: NewIdentityProvider): Promise<IdentityProvider> {
  const { remoteIds, ...fields } = spec
  const domainId = spec.domainId ?? (await insertOwnDomain(tx, spec.id))
  const [row] = await tx
    .insert(provider)
    .values({ ...fields, domainId })
    .onConflictDoNothing()
    .returning()
  if (!row) return conflict(`There is already an identity provider ${spec.id}.`)
  await replaceRemoteIds(tx, row.id, remoteIds)
  await emit(tx, { type: 'identity_provider.created', resourceId: row.id })
  return (await findIdentityProvider(tx, row.id)) ?? bug('insert returned nothing')
}

async function insertOwnDomain(tx: Tx, providerId: string): Promise<string> {
  const id = newHexId()
  await insertProject(
    tx,
    {
      name: id,
      domainId: null,
      parentId: null,
      isDomain: true,
      description: `Users of the identity provider ${providerId}`,
      enabled: true,
      tags: [],
      options: {},
      extra: {},
    },
    id,
  )
  return id
}

export type IdentityProviderChange = Partial<
  Pick<IdentityProvider, 'enabled' | 'description' | 'authorizationTtlMinutes' | 'remoteIds'>
>

/** Throws conflict for a remote id in use, notFound. */
export async function updateIdentityProvider(
  tx: Tx,
  id: string,
  change: IdentityProviderChange,
): Promise<IdentityProvider> {
  const { remoteIds, ...fields } = change
  const [row] = await tx
    .update(provider)
    .set({ id, ...fields })
    .where(eq(provider.id, id))
    .returning()
  if (!row) return notFound('Identity Provider', id)
  if (remoteIds) {
    await tx.delete(remoteId).where(eq(remoteId.providerId, id))
    await replaceRemoteIds(tx, id, remoteIds)
  }
  await emit(tx, { type: 'identity_provider.updated', resourceId: id })
  return (await findIdentityProvider(tx, id)) ?? bug('update returned nothing')
}

async function replaceRemoteIds(tx: Tx, providerId: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await tx.transaction((inner) => inner.insert(remoteId).values({ remoteId: name, providerId }))
    } catch (error) {
      if (isDuplicate(error)) conflict(`Duplicate remote ID: ${name}`, { cause: error })
      throw error
    }
  }
}

/** With its protocols and its users. Its domain stays, for projects may be in it. */
export async function removeIdentityProvider(tx: Tx, id: string): Promise<void> {
  await removeVouched(tx, { providerId: id })
  await tx.delete(provider).where(eq(provider.id, id))
  await emit(tx, { type: 'identity_provider.deleted', resourceId: id })
}
/** Those whose users are in the domain. */
export async function removeIdentityProvidersOf(tx: Tx, domainId: string): Promise<void> {
  const rows = await tx.select({ id: provider.id }).from(provider).where(eq(provider.domainId, domainId))
  for (const { id } of rows) await removeIdentityProvider(tx, id)
}
