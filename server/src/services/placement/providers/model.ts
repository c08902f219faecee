import { and, asc, type Db, eq, isDuplicate, type SQL, sql, type Tx } from '#lib/db.ts'
import { bug, conflict, Fault, invalid } from '#lib/fault.ts'
import { isUuid, newId } from '#lib/id.ts'
import { lockProviders, names, type Provider, provider, uuids } from '../model.ts'

export async function getProvider(db: Db, region: string, id: string): Promise<Provider> {
  const [found] = isUuid(id)
    ? await db
        .select()
        .from(provider)
        .where(and(eq(provider.region, region), eq(provider.id, id)))
    : []
  return found ?? noSuchProvider(id)
}

function noSuchProvider(id: string): never {
  throw new Fault('notFound', `No resource provider with uuid ${id} found.`, {
    code: 'placement.resource_provider.not_found',
  })
}

/** Throws conflict: someone was faster. */
export function staleGeneration(): never {
  return conflict('resource provider generation conflict: it was changed meanwhile; read it again and retry.', {
    code: 'placement.concurrent_update',
  })
}

/**
 * Holds the provider until the transaction ends and returns it as it is now. Throws conflict when its generation is not
 * the one given.
 */
export async function holdProvider(tx: Tx, id: string, generation: number | undefined): Promise<Provider> {
  await lockProviders(tx, [id])
  const [row] = await tx.select().from(provider).where(eq(provider.id, id))
  const held = row ?? noSuchProvider(id)
  if (generation !== undefined && generation !== held.generation) staleGeneration()
  return held
}

/** Changes it and raises its generation. */
export async function changeProvider(
  tx: Tx,
  id: string,
  generation: number | undefined,
  change: Partial<Pick<Provider, 'traits' | 'aggregates'>>,
): Promise<Provider> {
  await holdProvider(tx, id, generation)
  const [changed] = await tx
    .update(provider)
    .set({ ...change, generation: sql`${provider.generation} + 1`, updatedAt: new Date() })
    .where(eq(provider.id, id))
    .returning()
  return changed ?? bug('a provider that is held has gone')
}

export interface NewProvider {
  id: string | undefined
  name: string
  parentId: string | null
}

export async function insertProvider(tx: Tx, region: string, spec: NewProvider): Promise<Provider> {
  const id = spec.id ?? newId()
  const parent = spec.parentId === null ? undefined : await parentOf(tx, region, spec.parentId)
  const row = { id, region, name: spec.name, parentId: parent?.id ?? null, rootId: parent?.rootId ?? id }
  const [made] = await tx.insert(provider).values(row).returning().catch(asDuplicate(spec.name))
  return made ?? bug('insert returned nothing')
}

async function parentOf(tx: Tx, region: string, id: string): Promise<Provider> {
  const parent = await getProvider(tx, region, id).catch((error: unknown) => {
    throw new Fault('invalid', `Unable to use ${id} as parent: parent provider UUID does not exist.`, { cause: error })
  })
  await lockProviders(tx, [parent.rootId])
  return getProvider(tx, region, id)
}

function asDuplicate(name: string) {
  return (error: unknown): never => {
    if (isDuplicate(error))
      throw new Fault('conflict', `Conflicting resource provider name: ${name} or its uuid already exists.`, {
        code: 'placement.duplicate_name',
        cause: error,
      })
    throw error
  }
}

/**
 * Renames it and, with a parent id or null, moves it and all below it. `mayMove`: false where only an orphan may be given
 * a parent (until 1.36).
 */
export async function updateProvider(
  tx: Tx,
  id: string,
  change: { name: string; parentId?: string | null },
  mayMove: boolean,
): Promise<Provider> {
  const now = await holdProvider(tx, id, undefined)
  const moves = change.parentId !== undefined && change.parentId !== now.parentId
  if (moves && !mayMove && now.parentId !== null)
    invalid(`Unable to save resource provider ${id}: re-parenting a provider is not currently allowed.`)
  let rootId = now.rootId
  if (moves) {
    const parent = change.parentId ? await parentOf(tx, now.region, change.parentId) : undefined
    const [below] = await tx.rows<{ ids: string[] }>(sql`
      with recursive tree as (
        select id from resource_provider where id = ${id}
        union select p.id from resource_provider p join tree on p.parent_id = tree.id
      ) select array_agg(id) as ids from tree`)
    const ids = below?.ids ?? []
    if (parent && ids.includes(parent.id))
      invalid(`Unable to save resource provider ${id}: a provider cannot be below itself.`)
    rootId = parent?.rootId ?? id
    await tx.rows(sql`
      update resource_provider set root_id = ${rootId}, generation = generation + 1, updated_at = now()
      where id = any(${uuids(ids)}::uuid[])`)
  }
  const [changed] = await tx
    .update(provider)
    .set({ name: change.name, ...(moves && { parentId: change.parentId ?? null, rootId }), updatedAt: new Date() })
    .where(eq(provider.id, id))
    .returning()
    .catch(asDuplicate(change.name))
  return changed ?? bug('a provider that is held has gone')
}

export async function deleteProvider(tx: Tx, id: string): Promise<void> {
  await holdProvider(tx, id, undefined)
  const [uses] = await tx.rows<{ children: boolean; allocations: boolean }>(sql`
    select exists (select from resource_provider where parent_id = ${id}) as children,
      exists (select from allocation where provider_id = ${id}) as allocations`)
  if (uses?.children)
    conflict(`Unable to delete parent resource provider ${id}: It has child resource providers.`, {
      code: 'placement.resource_provider.cannot_delete_parent',
    })
  if (uses?.allocations)
    conflict(`Unable to delete resource provider ${id}: Resource provider has allocations.`, {
      code: 'placement.resource_provider.inuse',
    })
  await tx.delete(provider).where(eq(provider.id, id))
}

export interface ProviderFilter {
  name?: string
  id?: string
  /** In the tree of this provider. */
  inTree?: string
  /** Has room for all of these. */
  resources?: ReadonlyMap<string, number>
  /** One of each list; names that are known. */
  requiredTraits?: readonly (readonly string[])[]
  forbiddenTraits?: readonly string[]
  memberOf?: readonly (readonly string[])[]
  forbiddenAggregates?: readonly string[]
}

export async function listProviders(db: Db, region: string, filter: ProviderFilter): Promise<Provider[]> {
  const wanted: (SQL | undefined)[] = [eq(provider.region, region)]
  if (filter.name !== undefined) wanted.push(eq(provider.name, filter.name))
  if (filter.id !== undefined) wanted.push(eq(provider.id, filter.id))
  if (filter.inTree !== undefined)
    wanted.push(sql`${provider.rootId} = (select r.root_id from resource_provider r where r.id = ${filter.inTree})`)
  for (const [resourceClass, amount] of filter.resources ?? [])
    wanted.push(sql`exists (
      select from inventory i where i.provider_id = ${provider.id} and i.resource_class = ${resourceClass}
        and i.used + ${amount} <= floor((i.total - i.reserved) * i.allocation_ratio)
        and ${amount} between i.min_unit and i.max_unit and ${amount} % i.step_size = 0)`)
  for (const anyOf of filter.requiredTraits ?? []) wanted.push(sql`${provider.traits} && ${names(anyOf)}::text[]`)
  if (filter.forbiddenTraits?.length)
    wanted.push(sql`not ${provider.traits} && ${names(filter.forbiddenTraits)}::text[]`)
  for (const anyOf of filter.memberOf ?? []) wanted.push(sql`${provider.aggregates} && ${uuids(anyOf)}::uuid[]`)
  if (filter.forbiddenAggregates?.length)
    wanted.push(sql`not ${provider.aggregates} && ${uuids(filter.forbiddenAggregates)}::uuid[]`)
  return db
    .select()
    .from(provider)
    .where(and(...wanted))
    .orderBy(asc(provider.name), asc(provider.id))
}
