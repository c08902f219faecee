// Request schemas that know API versions. A schema states the newest shape; a field says when it arrived.
import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { Fault } from '#lib/fault.ts'
import { parseVersion, type Version } from '#lib/microversion.ts'

const sinceKey = 'x-since'
const untilKey = 'x-until'

/** A field that is accepted from this version on. Wrap it around the field's own schema, inside Type.Optional. */
export function since<Schema extends TSchema>(version: string, schema: Schema): Schema {
  return { ...schema, [sinceKey]: version }
}
/** A field that is accepted up to and including this version. */
export function until<Schema extends TSchema>(version: string, schema: Schema): Schema {
  return { ...schema, [untilKey]: version }
}
/** An object that refuses fields it does not know. */
export function strict<Properties extends TProperties>(
  properties: Properties,
  options: object = {},
): TObject<Properties> {
  return Type.Object(properties, { additionalProperties: false, ...options })
}
export function nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()])
}

/** How OpenStack clients write booleans and numbers: a real one or its text. The handler gets text or value; see `truth`. */
export const Bool = Type.Union([
  Type.Boolean(),
  Type.Enum([
    'true',
    'True',
    'TRUE',
    'false',
    'False',
    'FALSE',
    '1',
    '0',
    'yes',
    'no',
    'on',
    'off',
    'Yes',
    'No',
    'On',
    'Off',
    'y',
    'n',
    't',
    'f',
  ]),
  Type.Literal(0),
  Type.Literal(1),
])
const trueWords = new Set(['true', '1', 'yes', 'on', 'y', 't'])
export function truth(value: Static<typeof Bool>): boolean {
  return typeof value === 'boolean' ? value : trueWords.has(String(value).toLowerCase())
}
/** A name as Nova and Cinder accept it: 1 to 255 printable characters, no blanks at either end. */
export const Name = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[^\\u0000-\\u001f\\u007f]*(?<! )$' })
export const Uuid = Type.String({
  pattern: '^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$',
})

interface Checker {
  Check(value: unknown): boolean
  Errors(value: unknown): { instancePath: string; message: string; keyword?: string; params?: unknown }[]
}

/** One validator for each stretch of versions in which the schema is the same. */
export function versioned(schema: TSchema): (version: Version) => Checker {
  const boundaries = [...edges(schema)].toSorted((a, b) => a - b)
  const made = new Map<number, Checker>()
  return (version) => {
    let slot = 0
    for (const edge of boundaries) if (version >= edge) slot = edge
    let checker = made.get(slot)
    if (!checker) {
      checker = Compile(boundaries.length === 0 ? schema : (at(schema, version) as TSchema))
      made.set(slot, checker)
    }
    return checker
  }
}

function edges(schema: unknown, found = new Set<number>()): Set<number> {
  if (typeof schema !== 'object' || schema === null) return found
  for (const [key, value] of Object.entries(schema)) {
    if (key === sinceKey) found.add(parseVersion(String(value)))
    else if (key === untilKey) found.add(parseVersion(String(value)) + 1)
    else edges(value, found)
  }
  return found
}

function there(schema: unknown, version: Version): boolean {
  const { [sinceKey]: from, [untilKey]: to } = (schema ?? {}) as Record<string, unknown>
  return (
    (typeof from !== 'string' || version >= parseVersion(from)) &&
    (typeof to !== 'string' || version <= parseVersion(to))
  )
}

function at(schema: unknown, version: Version): unknown {
  if (Array.isArray(schema)) return schema.filter((each) => there(each, version)).map((each) => at(each, version))
  if (typeof schema !== 'object' || schema === null || schema instanceof RegExp) return schema
  const copy = Object.create(
    Object.getPrototypeOf(schema) as object,
    Object.getOwnPropertyDescriptors(schema),
  ) as Record<string, unknown>
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && typeof value === 'object') {
      const kept = Object.entries(value as object).filter(([, each]) => there(each, version))
      copy[key] = Object.fromEntries(kept.map(([name, each]) => [name, at(each, version)]))
    } else if (key === 'required' && Array.isArray(value)) {
      const properties = (schema as { properties?: Record<string, unknown> }).properties ?? {}
      copy[key] = value.filter((name) => there(properties[name as string], version))
    } else copy[key] = at(value, version)
  }
  return copy
}

/** Throws invalid with a sentence that names the field. */
export function requireValid(checker: Checker, value: unknown, what: string): void {
  if (checker.Check(value)) return
  const errors = checker.Errors(value)
  const unknownField = errors.find(({ keyword, message }) => keyword === 'boolean' && message === 'schema is false')
  if (unknownField) throw new Fault('invalid', `Invalid input: unknown field ${dotted(unknownField.instancePath)}.`)
  // the deepest complaint is the one that helps; a union complains about each of its branches first
  const error = errors.toSorted((a, b) => depth(b.instancePath) - depth(a.instancePath))[0]
  const path = dotted(error?.instancePath ?? '')
  const names = (error?.params as { requiredProperties?: string[] } | undefined)?.requiredProperties
  const why = names
    ? `it must have ${names.join(', ')}`
    : `${secretField.test(path) ? '' : shown(value, error?.instancePath ?? '')}${error?.message ?? 'is wrong'}`
  throw new Fault('invalid', `Invalid input for ${path ? `field ${path}` : `the ${what}`}: ${why}.`)
}

// These sentences go into the log, and some fields must not.
const secretField = /pass|secret|token|private|user_data|blob|contents/i

const dotted = (instancePath: string) => instancePath.slice(1).replaceAll('/', '.')
const depth = (path: string) => path.split('/').length

function shown(value: unknown, path: string): string {
  let here = value
  for (const key of path.split('/').slice(1)) here = (here as Record<string, unknown> | undefined)?.[key]
  if (typeof here !== 'string' && typeof here !== 'number' && typeof here !== 'boolean') return ''
  const text = String(here)
  return `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}' `
}
