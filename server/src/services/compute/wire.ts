// Words and forms that all of Nova's resources share.
import { type Static, Type } from 'typebox'
import { isoSeconds } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import type { QueryValues } from '#lib/http/route.ts'
import type { Viewer } from '#lib/view.ts'

/** The address without the version, which is what Nova's bookmark links begin with. */
export function bookmarkBase(viewer: Viewer): string {
  return viewer.baseUrl.replace(/\/v2\.1$/, '')
}
export function links(viewer: Viewer, collection: string, id: string) {
  return [
    { rel: 'self', href: `${viewer.baseUrl}/${collection}/${id}` },
    { rel: 'bookmark', href: `${bookmarkBase(viewer)}/${collection}/${id}` },
  ]
}
export function bookmark(viewer: Viewer, collection: string, id: string) {
  return [{ rel: 'bookmark', href: `${bookmarkBase(viewer)}/${collection}/${id}` }]
}

export const iso = (time: Date) => isoSeconds(time)
/** '2026-11-21T02:33:16.123000': times without a zone, as Nova writes them in older places. */
export function bareTime(time: Date): string {
  return `${time.toISOString().slice(0, -1)}000`
}
export const bareTimeOrNull = (time: Date | null) => (time ? bareTime(time) : null)

export const maxInt = 2_147_483_647
/** A whole number or its text; read it with `toCount`, which checks the range of the text too. */
export const Count = Type.Union([
  Type.Integer({ minimum: -1, maximum: maxInt }),
  Type.String({ pattern: '^-?[0-9]+$', minLength: 1, maxLength: 11 }),
])
export function toCount(value: Static<typeof Count>, field: string, min: number, max = maxInt): number {
  const count = Number(value)
  if (count < min || count > max) invalid(`Invalid input for field ${field}: ${value} is not from ${min} to ${max}.`)
  return count
}

/** Metadata and extra specs: short keys of a plain alphabet. */
export const keyPattern = '^[a-zA-Z0-9_:. -]{1,255}$'
export const Metadata = Type.Record(Type.String({ pattern: keyPattern }), Type.String({ maxLength: 255 }), {
  additionalProperties: false,
})

/** A query parameter that is a whole number of 0 or more. Throws invalid. */
export function queryCount(query: QueryValues, name: string): number | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text)) invalid(`Invalid ${name} '${text}': it must be a whole number, 0 or greater.`)
  return Number(text)
}

/** A query parameter that is a boolean word. Throws invalid. */
export function queryTruth(query: QueryValues, name: string): boolean | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  if (/^(1|t|true|on|y|yes)$/i.test(text)) return true
  if (/^(0|f|false|off|n|no)$/i.test(text)) return false
  return invalid(`Invalid ${name} '${text}': it must be true or false.`)
}
