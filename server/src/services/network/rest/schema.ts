// The bodies of Neutron's creates and updates.
import { type TObject, type TProperties, Type } from 'typebox'
import { strict } from '#lib/http/schema.ts'

/** The schema of a create: one thing under its singular, or some under their plural. */
export function oneOrMany(singular: string, plural: string, thing: TObject): TObject {
  return strict({
    [singular]: Type.Optional(thing),
    [plural]: Type.Optional(Type.Array(thing, { minItems: 1, maxItems: 1000 })),
  })
}

/** The schema of an update. */
export function only<Singular extends string, Properties extends TProperties>(
  singular: Singular,
  properties: TObject<Properties>,
) {
  return strict({ [singular]: properties } as Record<Singular, TObject<Properties>>)
}
