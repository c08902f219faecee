// The query of an image list, as Glance documents it.
import { and, eq, type SQL, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { many, one } from '#lib/http/page.ts'
import type { QueryValues } from '#lib/http/route.ts'
import { image } from './model.ts'

// text columns that take `in:a,b`
const listed = {
  id: image.id,
  name: image.name,
  status: image.status,
  container_format: image.containerFormat,
  disk_format: image.diskFormat,
} as const
const exact = { owner: image.projectId, checksum: image.checksum, os_hash_value: image.sha512 } as const
const numbers = {
  min_disk: image.minDisk,
  min_ram: image.minRam,
  size: image.size,
  virtual_size: image.virtualSize,
} as const
const times = { created_at: image.createdAt, updated_at: image.updatedAt } as const
const operators = { gt: sql`>`, gte: sql`>=`, eq: sql`=`, neq: sql`<>`, lt: sql`<`, lte: sql`<=` } as const
const notFilters = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'visibility', 'member_status'])

/** Throws invalid for a value that cannot be one. Unknown names are custom properties. */
export function imageFilters(query: QueryValues): SQL | undefined {
  const wanted: (SQL | undefined)[] = []
  if (one(query, 'os_hidden') === undefined) wanted.push(eq(image.hidden, false))
  for (const name of Object.keys(query)) {
    if (notFilters.has(name)) continue
    const value = one(query, name) ?? ''
    if (Object.hasOwn(listed, name)) wanted.push(listFilter(name as keyof typeof listed, value))
    else if (Object.hasOwn(exact, name)) wanted.push(eq(exact[name as keyof typeof exact], value))
    else if (Object.hasOwn(numbers, name)) wanted.push(eq(numbers[name as keyof typeof numbers], whole(name, value)))
    else if (Object.hasOwn(times, name)) wanted.push(timeFilter(name as keyof typeof times, value))
    else if (name === 'size_min') wanted.push(sql`${image.size} >= ${whole(name, value)}`)
    else if (name === 'size_max') wanted.push(sql`${image.size} <= ${whole(name, value)}`)
    else if (name === 'protected') wanted.push(eq(image.protected, flag(name, value)))
    else if (name === 'os_hidden') wanted.push(eq(image.hidden, flag(name, value)))
    else if (name === 'tag') wanted.push(sql`${image.tags} @> string_to_array(${many(query, 'tag').join('\n')}, E'\n')`)
    else wanted.push(sql`${image.properties} ->> ${name} = ${value}`)
  }
  return and(...wanted)
}

function listFilter(name: keyof typeof listed, value: string): SQL {
  if (!value.startsWith('in:')) return sql`${listed[name]}::text = ${value}`
  // a value with a comma in it stands in double quotes
  const values = [...value.slice(3).matchAll(/"([^"]*)"|([^,]+)/g)].map((match) => match[1] ?? match[2] ?? '')
  if (values.length === 0) invalid(`Invalid filter value ${value}: nothing stands behind "in:".`)
  return sql`${listed[name]}::text in ${values}`
}

function timeFilter(name: keyof typeof times, value: string): SQL {
  const [, operator = 'eq', text = value] = /^(gte?|lte?|eq|neq):(.*)$/.exec(value) ?? []
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) invalid(`Invalid time in the filter ${name}: '${text}' is not ISO 8601.`)
  return sql`date_trunc('second', ${times[name]}) ${operators[operator as keyof typeof operators]} date_trunc('second', ${time.toISOString()}::timestamptz)`
}

function whole(name: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) invalid(`Invalid value for the filter ${name}: '${value}' is not a whole number.`)
  return Number(value)
}

function flag(name: string, value: string): boolean {
  if (!/^(true|false|1|0)$/i.test(value))
    invalid(`Invalid value for the filter ${name}: '${value}' is neither true nor false.`)
  return /^(true|1)$/i.test(value)
}

/** Throws invalid unless it is a member status, or 'all'. */
export function memberStatusOf(query: QueryValues): string {
  const status = one(query, 'member_status') ?? 'accepted'
  return ['accepted', 'pending', 'rejected', 'all'].includes(status)
    ? status
    : invalid(`Invalid member status '${status}'.`)
}

export function visibilityOf(query: QueryValues): string | undefined {
  const visibility = one(query, 'visibility')
  if (visibility !== undefined && !['public', 'private', 'shared', 'community', 'all'].includes(visibility))
    invalid(`Invalid visibility value: ${visibility}`)
  return visibility
}
