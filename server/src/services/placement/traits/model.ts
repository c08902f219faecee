import { and, type Db, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, invalid } from '#lib/fault.ts'
import { customTrait, names } from '../model.ts'
import { standardTraits } from './standard.ts'

const nameForm = /^CUSTOM_[A-Z0-9_]+$/

export interface TraitFilter {
  among?: readonly string[]
  prefix?: string
  /** Whether some provider has it. */
  associated?: boolean
}

/** The names of the traits there are, in alphabetical order. */
export async function listTraits(db: Db, region: string, filter: TraitFilter = {}): Promise<string[]> {
  const own = await db.select({ name: customTrait.name }).from(customTrait).where(eq(customTrait.region, region))
  let found = [...standardTraits.union(new Set(own.map(({ name }) => name)))]
  const { among, prefix, associated } = filter
  if (among) found = found.filter((name) => among.includes(name))
  if (prefix !== undefined) found = found.filter((name) => name.startsWith(prefix))
  if (associated !== undefined) {
    const used = await db.rows<{ name: string }>(
      sql`select distinct unnest(traits) as name from resource_provider where region = ${region}`,
    )
    const inUse = new Set(used.map(({ name }) => name))
    found = found.filter((name) => inUse.has(name) === associated)
  }
  return found.toSorted()
}

/** Those of the traits that nobody knows. */
export async function unknownTraits(db: Db, region: string, traits: readonly string[]): Promise<string[]> {
  const own = [...new Set(traits)].filter((name) => !standardTraits.has(name))
  if (own.length === 0) return []
  const rows = await db
    .select({ name: customTrait.name })
    .from(customTrait)
    .where(and(eq(customTrait.region, region), inArray(customTrait.name, own)))
  const known = new Set(rows.map(({ name }) => name))
  return own.filter((name) => !known.has(name))
}

/** Throws invalid, naming them. What passes holds only letters, digits and underscores. */
export async function requireTraits(db: Db, region: string, traits: readonly string[]): Promise<void> {
  const unknown = await unknownTraits(db, region, traits)
  if (unknown.length > 0) invalid(`No such trait(s): ${unknown.join(', ')}.`)
}

/** True when it was not there before. Throws invalid for a name that is not an operator's to make. */
export async function addTrait(tx: Tx, region: string, name: string): Promise<boolean> {
  if (!nameForm.test(name) || name.length > 255)
    invalid(
      'The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use ' +
        'following characters: "A"-"Z", "0"-"9" and "_"',
    )
  const added = await tx.insert(customTrait).values({ region, name }).onConflictDoNothing().returning()
  return added.length > 0
}

export async function requireTrait(db: Db, region: string, name: string): Promise<void> {
  if ((await unknownTraits(db, region, [name])).length > 0) noSuchTrait(name)
}

export async function removeTrait(tx: Tx, region: string, name: string): Promise<void> {
  await requireTrait(tx, region, name)
  if (!nameForm.test(name)) invalid(`Cannot delete standard trait ${name}.`)
  const [used] = await tx.rows(
    sql`select 1 from resource_provider where region = ${region} and traits @> ${names([name])}::text[] limit 1`,
  )
  if (used) conflict(`The trait ${name} is in use by a resource provider.`)
  await tx.delete(customTrait).where(and(eq(customTrait.region, region), eq(customTrait.name, name)))
}

function noSuchTrait(name: string): never {
  throw new Fault('notFound', `No such trait(s): ${name}.`)
}
