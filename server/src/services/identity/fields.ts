// Field types that identity's requests share.
import { type TObjectOptions, type TProperties, Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'

/** At least one character that is no blank. */
export const nameOf = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '\\S' })
export const Name = nameOf(255)
export const Enabled = Type.Boolean()
export const Description = nullable(Type.String({ maxLength: 65_535 }))
export const Id = Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' })
/** `options` of projects, domains and roles. */
export const ResourceOptions = Type.Object(
  { immutable: Type.Optional(nullable(Type.Boolean())) },
  { additionalProperties: false },
)

/** A request with one member; what it does not know inside is an attribute of the owner's own. */
export function requestOf<Properties extends TProperties, Key extends string>(
  key: Key,
  properties: Properties,
  options: TObjectOptions = {},
) {
  return Type.Object({ [key]: Type.Object(properties, options) } as Record<
    Key,
    ReturnType<typeof Type.Object<Properties>>
  >)
}

const never = new Set(['id', 'links', 'extra'])
/** The attributes that are the owner's own. */
export function ownAttributes(rest: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(rest).filter(([key]) => !never.has(key)))
}

/** The members that were given a value: an update changes only these. */
export function given<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

/** Options as stored: an option that is set to null is unset. */
export function mergeOptions(
  before: Record<string, unknown>,
  after: Record<string, unknown> | undefined,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...before, ...after }).filter(([, value]) => value !== null))
}

/** Attributes as stored: an attribute that is set to null stays, as null, as Keystone keeps it. */
export function mergeExtra(before: Record<string, unknown>, after: object): Record<string, unknown> {
  return { ...before, ...ownAttributes(after) }
}
