// What all of Placement's routes share: its query strings and its caching headers.
import { invalid } from '#lib/fault.ts'
import { many } from '#lib/http/page.ts'
import { reply, type Reply, type Request } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { parseVersion } from '#lib/microversion.ts'
import type { Provider } from './model.ts'
import { getProvider } from './providers/model.ts'

type Asked = Pick<Request, 'version' | 'query' | 'view'>

/** Whether the request's version is at least this one. */
export function atLeast(req: Pick<Asked, 'version'>, version: string): boolean {
  return req.version >= parseVersion(version)
}

/** The reply to a read: from 1.15 on it says when the thing last changed (now, where nobody knows) and is not cached. */
export function fresh(req: Asked, body: unknown, changedAt = new Date(), status?: number): Reply {
  return reply({ ...(status && { status }), body, headers: freshness(req, changedAt) })
}

export function freshness(req: Asked, changedAt = new Date()): Record<string, string> {
  return atLeast(req, '1.15') ? { 'cache-control': 'no-cache', 'last-modified': changedAt.toUTCString() } : {}
}

/** The provider that the path's `:id` names. */
export function requestedProvider(req: Pick<Request<never>, 'db' | 'region' | 'params'>): Promise<Provider> {
  return getProvider(req.db, req.region, req.params['id']!)
}

/** A uuid as the database writes it, from one with or without dashes, in whatever case. */
export function canonicalUuid(text: string): string {
  const hex = text.replaceAll('-', '').toLowerCase()
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The path of the service itself, as links in replies begin. */
export function basePath(req: Pick<Asked, 'view'>): string {
  return new URL(req.view.baseUrl).pathname
}

/** Refuses query keys other than these; `since` says from which version each is there. */
export function requireQuery(req: Asked, allowed: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(req.query)) {
    const since = allowed[key]
    if (since === undefined || !atLeast(req, since))
      invalid(`Invalid query string parameters: '${key}' is not one of those that this version knows.`)
  }
}

/** `VCPU:2,MEMORY_MB:1024` */
export function readResources(text: string): Map<string, number> {
  const form = 'Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024.'
  const wanted = new Map<string, number>()
  for (const part of text.split(',')) {
    const match = /^([^:]+):([^:]+)$/.exec(part.trim())
    if (!match) invalid(`Badly formed resources parameter. ${form} Got: ${part.trim() || 'empty string'}.`)
    const [, name = '', amount = ''] = match
    if (!/^\d{1,10}$/.test(amount) || Number(amount) < 1 || Number(amount) > 2_147_483_647)
      invalid(`Requested resource ${name} expected positive integer amount. Got: ${amount}.`)
    wanted.set(name, Number(amount))
  }
  return wanted
}

export interface Traits {
  /** One of each list must be there. */
  required: string[][]
  forbidden: string[]
}

/** `A,!B` (forbidden from 1.22), and from 1.39 on `in:A,B`, then also repeated. */
export function readTraits(req: Asked, key: string): Traits {
  const found: Traits = { required: [], forbidden: [] }
  const values = many(req.query, key)
  for (const value of atLeast(req, '1.39') ? values : values.slice(-1)) {
    const anyOf = value.startsWith('in:')
    if (anyOf && !atLeast(req, '1.39'))
      invalid(`Invalid query string parameters: the form 'in:' of ${key} is there since version 1.39. Got: ${value}`)
    const parts = (anyOf ? value.slice(3) : value).split(',').map((part) => part.trim())
    const banned = parts.filter((part) => part.startsWith('!')).map((part) => part.slice(1))
    const wanted = parts.filter((part) => !part.startsWith('!'))
    if (banned.length > 0 && (anyOf || !atLeast(req, '1.22')))
      invalid(`Invalid query string parameters: '!' is not allowed in ${key} here. Got: ${value}`)
    if ([...wanted, ...banned].includes(''))
      invalid(
        `Invalid query string parameters: Expected '${key}' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: ${value}`,
      )
    if (anyOf) found.required.push(wanted)
    else found.required.push(...wanted.map((trait) => [trait]))
    found.forbidden.push(...banned)
  }
  const clash = found.required.find((anyOf) => anyOf.every((trait) => found.forbidden.includes(trait)))
  if (clash) invalid(`Conflicting required and forbidden traits found in ${key}: ${clash.join(', ')}.`)
  return found
}

export interface Membership {
  /** In one of each list. */
  memberOf: string[][]
  forbiddenAggregates: string[]
}

/** `<uuid>`, `in:<uuid>,<uuid>`; from 1.24 on repeated, from 1.32 on `!<uuid>` and `!in:…`. */
export function readMemberOf(req: Asked, key: string): Membership {
  const found: Membership = { memberOf: [], forbiddenAggregates: [] }
  const values = many(req.query, key)
  if (values.length > 1 && !atLeast(req, '1.24'))
    invalid(`Multiple ${key} parameters are not supported.`, { code: 'placement.query.duplicate_key' })
  for (const value of values) {
    const banned = value.startsWith('!')
    if (banned && !atLeast(req, '1.32'))
      invalid(`Forbidden ${key} parameters are not supported in the specified microversion.`)
    const plain = banned ? value.slice(1) : value
    const several = plain.startsWith('in:')
    const ids = (several ? plain.slice(3) : plain).split(',').map((id) => id.trim())
    if (!several && ids.length > 1)
      invalid(`Multiple values for '${key}' must be prefixed with the 'in:' keyword. Got: ${value}`)
    if (ids.some((id) => id.includes('!'))) invalid(`'!' is only allowed at the beginning of '${key}'. Got: ${value}`)
    for (const id of ids)
      if (!isUuid(id))
        invalid(`Invalid query string parameters: Expected '${key}' parameter to contain valid UUID(s). Got: ${id}`)
    if (banned) found.forbiddenAggregates.push(...ids)
    else found.memberOf.push(ids)
  }
  return found
}
