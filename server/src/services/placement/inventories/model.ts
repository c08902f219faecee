import { and, asc, type Db, eq, inArray, type Tx } from '#lib/db.ts'
import { conflict, Fault, invalid } from '#lib/fault.ts'
import { capacityOf, type Inventory, inventory, type Provider } from '../model.ts'
import { changeProvider, holdProvider } from '../providers/model.ts'
import { requireClasses } from '../resource-classes/model.ts'

export type NewInventory = Omit<Inventory, 'providerId' | 'used'>

export function listInventories(db: Db, providerId: string): Promise<Inventory[]> {
  return db.select().from(inventory).where(eq(inventory.providerId, providerId)).orderBy(asc(inventory.resourceClass))
}

export async function getInventory(db: Db, providerId: string, resourceClass: string): Promise<Inventory> {
  const [found] = await db
    .select()
    .from(inventory)
    .where(and(eq(inventory.providerId, providerId), eq(inventory.resourceClass, resourceClass)))
  if (!found) throw new Fault('notFound', `No inventory of class ${resourceClass} for ${providerId}`)
  return found
}

/** The reserved part may be all of it from 1.26 on. */
function requireCapacity(all: readonly NewInventory[], mayBeEmpty: boolean): void {
  for (const each of all) {
    const capacity = (each.total - each.reserved) * each.allocationRatio
    if (capacity < 0 || Math.floor(capacity) < 0 || (!mayBeEmpty && capacityOf(each) <= 0))
      invalid(
        `Invalid inventory for '${each.resourceClass}': the reserved value is greater than${mayBeEmpty ? '' : ' or equal to'} the total.`,
      )
  }
}

/** Makes these all that the provider has. What is not among them goes, unless it is in use. */
export async function setInventories(
  tx: Tx,
  provider: Provider,
  generation: number | undefined,
  all: readonly NewInventory[],
  mayBeEmpty: boolean,
): Promise<Provider> {
  await requireClasses(
    tx,
    provider.region,
    all.map(({ resourceClass }) => resourceClass),
  )
  requireCapacity(all, mayBeEmpty)
  await holdProvider(tx, provider.id, generation)
  const kept = new Set(all.map(({ resourceClass }) => resourceClass))
  const gone = (await listInventories(tx, provider.id)).filter(({ resourceClass }) => !kept.has(resourceClass))
  const used = gone.filter((each) => each.used > 0).map(({ resourceClass }) => resourceClass)
  if (used.length > 0)
    conflict(`Inventory for '${used.join(', ')}' on resource provider '${provider.id}' in use.`, {
      code: 'placement.inventory.inuse',
    })
  if (gone.length > 0)
    await tx.delete(inventory).where(
      and(
        eq(inventory.providerId, provider.id),
        inArray(
          inventory.resourceClass,
          gone.map(({ resourceClass }) => resourceClass),
        ),
      ),
    )
  for (const each of all) await putInventory(tx, provider.id, each)
  return changeProvider(tx, provider.id, undefined, {})
}

async function putInventory(tx: Tx, providerId: string, each: NewInventory): Promise<void> {
  await tx
    .insert(inventory)
    .values({ providerId, ...each })
    .onConflictDoUpdate({ target: [inventory.providerId, inventory.resourceClass], set: each })
}

/** Adds a class that the provider does not have yet. */
export async function addInventory(
  tx: Tx,
  provider: Provider,
  each: NewInventory,
  mayBeEmpty: boolean,
): Promise<Provider> {
  await requireClasses(tx, provider.region, [each.resourceClass])
  requireCapacity([each], mayBeEmpty)
  await holdProvider(tx, provider.id, undefined)
  if ((await listInventories(tx, provider.id)).some(({ resourceClass }) => resourceClass === each.resourceClass))
    conflict(`Update conflict: resource provider ${provider.id} has ${each.resourceClass} already.`, {
      code: 'placement.concurrent_update',
    })
  await putInventory(tx, provider.id, each)
  return changeProvider(tx, provider.id, undefined, {})
}

/** Changes a class that it has. */
export async function updateInventory(
  tx: Tx,
  provider: Provider,
  generation: number,
  each: NewInventory,
  mayBeEmpty: boolean,
): Promise<Provider> {
  requireCapacity([each], mayBeEmpty)
  await holdProvider(tx, provider.id, generation)
  if (!(await listInventories(tx, provider.id)).some(({ resourceClass }) => resourceClass === each.resourceClass))
    invalid(`No inventory record with resource class ${each.resourceClass} for resource provider ${provider.id}.`)
  await putInventory(tx, provider.id, each)
  return changeProvider(tx, provider.id, undefined, {})
}

export async function removeInventory(tx: Tx, provider: Provider, resourceClass: string): Promise<void> {
  await holdProvider(tx, provider.id, undefined)
  const { used } = await getInventory(tx, provider.id, resourceClass)
  if (used > 0)
    conflict(
      `Unable to delete inventory of class ${resourceClass}: it is in use on resource provider ${provider.id}.`,
      {
        code: 'placement.inventory.inuse',
      },
    )
  await tx
    .delete(inventory)
    .where(and(eq(inventory.providerId, provider.id), eq(inventory.resourceClass, resourceClass)))
  await changeProvider(tx, provider.id, undefined, {})
}
