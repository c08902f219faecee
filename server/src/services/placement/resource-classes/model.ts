import { and, type Db, eq, inArray, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, invalid } from '#lib/fault.ts'
import { customClass } from '../model.ts'
import { standardClasses } from './standard.ts'

/** An operator's own class. */
export const classForm = '^CUSTOM_[A-Z0-9_]+$'
const ownClass = new RegExp(classForm)

/** The standard ones in their order, then the others by name. */
export async function listClasses(db: Db, region: string): Promise<string[]> {
  const own = await db.select({ name: customClass.name }).from(customClass).where(eq(customClass.region, region))
  return [...standardClasses, ...own.map(({ name }) => name).toSorted()]
}

/** Throws invalid, naming those that nobody knows. */
export async function requireClasses(db: Db, region: string, classes: Iterable<string>): Promise<void> {
  const own = [...new Set(classes)].filter((name) => !standardClasses.has(name))
  if (own.length === 0) return
  const rows = await db
    .select({ name: customClass.name })
    .from(customClass)
    .where(and(eq(customClass.region, region), inArray(customClass.name, own)))
  const known = new Set(rows.map(({ name }) => name))
  const unknown = own.filter((name) => !known.has(name))
  if (unknown.length > 0) invalid(`Invalid resource class: no such resource class ${unknown.join(', ')}.`)
}

export async function requireClass(db: Db, region: string, name: string): Promise<void> {
  await requireClasses(db, region, [name]).catch((error: unknown) => {
    throw new Fault('notFound', `No such resource class ${name}.`, { cause: error })
  })
}

/** True when it was not there before. */
export async function addClass(tx: Tx, region: string, name: string): Promise<boolean> {
  if (!ownClass.test(name) || name.length > 255)
    invalid(
      `JSON does not validate: the name '${name.slice(0, 255)}' does not match '${classForm}' or has more than 255 characters.`,
    )
  const added = await tx.insert(customClass).values({ region, name }).onConflictDoNothing().returning()
  return added.length > 0
}

/** Inventories and allocations of it follow. */
export async function renameClass(tx: Tx, region: string, name: string, to: string): Promise<void> {
  await requireClass(tx, region, name)
  if (standardClasses.has(name)) invalid(`Cannot update standard resource class ${name}`)
  await tx
    .update(customClass)
    .set({ name: to })
    .where(and(eq(customClass.region, region), eq(customClass.name, name)))
    .catch((error: unknown) => {
      if (isDuplicate(error)) conflict(`Resource class already exists: ${to}`, { cause: error })
      throw error
    })
  for (const table of [sql`inventory`, sql`allocation`])
    await tx.rows(sql`
      update ${table} t set resource_class = ${to} from resource_provider p
      where p.id = t.provider_id and p.region = ${region} and t.resource_class = ${name}`)
  await tx.rows(sql`
    update resource_provider set updated_at = now()
    where region = ${region} and id in (select provider_id from inventory where resource_class = ${to})`)
}

export async function removeClass(tx: Tx, region: string, name: string): Promise<void> {
  await requireClass(tx, region, name)
  if (standardClasses.has(name))
    invalid(`Error in delete resource class: Cannot delete standard resource class ${name}.`)
  const [used] = await tx.rows(sql`
    select 1 from inventory i join resource_provider p on p.id = i.provider_id and p.region = ${region}
    where i.resource_class = ${name} limit 1`)
  if (used) conflict(`Error in delete resource class: ${name} is in use in inventory.`)
  await tx.delete(customClass).where(and(eq(customClass.region, region), eq(customClass.name, name)))
}
