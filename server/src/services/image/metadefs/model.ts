import type { Actor } from '#lib/actor.ts'
import {
  and,
  boolean,
  type Db,
  eq,
  inArray,
  jsonb,
  or,
  pgTable,
  primaryKey,
  sql,
  text,
  timestamp,
  type Tx,
  uuid,
} from '#lib/db.ts'
import { conflict, forbidden, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'

const times = {
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
}

export const namespaceTable = pgTable('metadef_namespace', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  namespace: text().notNull(),
  displayName: text('display_name'),
  description: text(),
  visibility: text({ enum: ['public', 'private'] })
    .notNull()
    .default('private'),
  protected: boolean().notNull().default(false),
  owner: text().notNull(),
  ...times,
})
export type Namespace = typeof namespaceTable.$inferSelect
type NamespaceFields = Partial<
  Pick<Namespace, 'namespace' | 'displayName' | 'description' | 'visibility' | 'protected' | 'owner'>
>

const item = pgTable(
  'metadef_item',
  {
    namespaceId: uuid('namespace_id').notNull(),
    kind: text({ enum: ['object', 'property', 'tag'] }).notNull(),
    name: text().notNull(),
    body: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    ...times,
  },
  (t) => [primaryKey({ columns: [t.namespaceId, t.kind, t.name] })],
)
export type Item = typeof item.$inferSelect
export type Kind = Item['kind']

const resourceType = pgTable('metadef_resource_type', {
  name: text().primaryKey(),
  protected: boolean().notNull().default(false),
  ...times,
})
export type ResourceType = typeof resourceType.$inferSelect

const association = pgTable(
  'metadef_association',
  {
    namespaceId: uuid('namespace_id').notNull(),
    resourceType: text('resource_type').notNull(),
    prefix: text(),
    propertiesTarget: text('properties_target'),
    ...times,
  },
  (t) => [primaryKey({ columns: [t.namespaceId, t.resourceType] })],
)
export type Association = typeof association.$inferSelect

const visible = (actor: Actor) =>
  actor.isAdmin
    ? undefined
    : or(eq(namespaceTable.visibility, 'public'), eq(namespaceTable.owner, actor.projectId ?? ''))

export async function listNamespaces(
  db: Db,
  region: string,
  actor: Actor,
  wanted: { visibility?: string; resourceTypes?: string[] },
): Promise<Namespace[]> {
  const types = wanted.resourceTypes ?? []
  return db
    .select()
    .from(namespaceTable)
    .where(
      and(
        eq(namespaceTable.region, region),
        visible(actor),
        wanted.visibility === undefined ? undefined : sql`${namespaceTable.visibility} = ${wanted.visibility}`,
        types.length === 0
          ? undefined
          : sql`exists (select 1 from metadef_association a where a.namespace_id = ${namespaceTable.id} and a.resource_type in ${types})`,
      ),
    )
    .orderBy(namespaceTable.createdAt, namespaceTable.id)
}

/** Throws notFound for one that is not there or not for this actor. */
export async function getNamespace(db: Db, region: string, namespace: string, actor: Actor): Promise<Namespace> {
  const [found] = await db
    .select()
    .from(namespaceTable)
    .where(and(eq(namespaceTable.region, region), eq(namespaceTable.namespace, namespace), visible(actor)))
  return found ?? notFound('Metadata definition namespace', namespace)
}

export async function insertNamespace(
  tx: Tx,
  region: string,
  owner: string,
  fields: NamespaceFields & { namespace: string },
): Promise<Namespace> {
  const [row] = await tx
    .insert(namespaceTable)
    .values({ id: newId(), region, owner, ...fields })
    .onConflictDoNothing()
    .returning()
  return row ?? conflict(`The metadata definition namespace ${fields.namespace} already exists.`)
}

export async function updateNamespace(tx: Tx, id: string, fields: NamespaceFields): Promise<Namespace> {
  const [row] = await tx
    .update(namespaceTable)
    .set({ ...fields, updatedAt: sql`now()` })
    .where(eq(namespaceTable.id, id))
    .returning()
  return row ?? notFound('Metadata definition namespace', id)
}

/** Throws forbidden for a protected one. */
export async function removeNamespace(tx: Tx, { id, namespace }: Namespace): Promise<void> {
  const gone = await tx
    .delete(namespaceTable)
    .where(and(eq(namespaceTable.id, id), eq(namespaceTable.protected, false)))
    .returning()
  if (gone.length === 0) forbidden(`Metadata definition namespace ${namespace} is protected and cannot be deleted.`)
}

export async function listItems(db: Db, namespaceId: string, kind: Kind): Promise<Item[]> {
  return db
    .select()
    .from(item)
    .where(and(eq(item.namespaceId, namespaceId), eq(item.kind, kind)))
    .orderBy(item.name)
}

export async function getItem(db: Db, namespaceId: string, kind: Kind, name: string): Promise<Item> {
  const [found] = await db
    .select()
    .from(item)
    .where(and(eq(item.namespaceId, namespaceId), eq(item.kind, kind), eq(item.name, name)))
  return found ?? notFound(`Metadata definition ${kind}`, name)
}

export async function insertItem(
  tx: Tx,
  namespaceId: string,
  kind: Kind,
  name: string,
  body: Record<string, unknown>,
): Promise<Item> {
  const [row] = await tx.insert(item).values({ namespaceId, kind, name, body }).onConflictDoNothing().returning()
  return row ?? conflict(`A metadata definition ${kind} named ${name} already exists in this namespace.`)
}

/** All tags of a namespace become these. */
export async function replaceTags(tx: Tx, namespaceId: string, names: string[]): Promise<Item[]> {
  await removeItems(tx, namespaceId, 'tag')
  if (names.length === 0) return []
  return tx
    .insert(item)
    .values(names.map((name) => ({ namespaceId, kind: 'tag' as const, name })))
    .returning()
}

export async function updateItem(tx: Tx, found: Item, name: string, body: Record<string, unknown>): Promise<Item> {
  if (name !== found.name) {
    const taken = await tx
      .select({ name: item.name })
      .from(item)
      .where(and(eq(item.namespaceId, found.namespaceId), eq(item.kind, found.kind), eq(item.name, name)))
    if (taken.length > 0)
      conflict(`A metadata definition ${found.kind} named ${name} already exists in this namespace.`)
  }
  const [row] = await tx
    .update(item)
    .set({ name, body, updatedAt: sql`now()` })
    .where(and(eq(item.namespaceId, found.namespaceId), eq(item.kind, found.kind), eq(item.name, found.name)))
    .returning()
  return row ?? notFound(`Metadata definition ${found.kind}`, found.name)
}

export async function removeItems(tx: Tx, namespaceId: string, kind: Kind, name?: string): Promise<void> {
  await tx
    .delete(item)
    .where(
      and(eq(item.namespaceId, namespaceId), eq(item.kind, kind), name === undefined ? undefined : eq(item.name, name)),
    )
}

export async function listResourceTypes(db: Db): Promise<ResourceType[]> {
  return db.select().from(resourceType).orderBy(resourceType.name)
}

export async function listAssociations(db: Db, namespaceIds: string[]): Promise<Association[]> {
  return namespaceIds.length === 0
    ? []
    : db
        .select()
        .from(association)
        .where(inArray(association.namespaceId, namespaceIds))
        .orderBy(association.resourceType)
}

/** A resource type that nobody named before is made. */
export async function associate(
  tx: Tx,
  namespaceId: string,
  wanted: { name: string; prefix?: string; propertiesTarget?: string },
): Promise<Association> {
  const { name, ...more } = wanted
  await tx.insert(resourceType).values({ name }).onConflictDoNothing()
  const [row] = await tx
    .insert(association)
    .values({ namespaceId, resourceType: name, ...more })
    .onConflictDoNothing()
    .returning()
  return row ?? conflict(`The resource type ${name} is already associated with this namespace.`)
}

export async function dissociate(tx: Tx, namespaceId: string, name: string): Promise<void> {
  const gone = await tx
    .delete(association)
    .where(and(eq(association.namespaceId, namespaceId), eq(association.resourceType, name)))
    .returning()
  if (gone.length === 0) notFound('Resource type association', name)
}
