// Cross-origin requests, as the container's metadata allows them (Access-Control-Allow-Origin and its kin).
import { type Answer, refuse } from './answer.ts'
import type { State } from './load.ts'
import type { SwiftRequest } from './request.ts'

export const allowed = 'HEAD, GET, PUT, POST, COPY, OPTIONS, DELETE'
const simple = ['cache-control', 'content-language', 'content-type', 'expires', 'last-modified', 'pragma', 'etag']
const own = ['x-timestamp', 'x-trans-id', 'x-openstack-request-id']

function originAllowed(state: State, origin: string): string | undefined {
  const origins = (state.container?.metadata['access-control-allow-origin'] ?? '').split(/\s+/).filter(Boolean)
  return origins.includes('*') ? '*' : origins.includes(origin) ? origin : undefined
}

/** The reply to a preflight. */
export function preflight(sr: SwiftRequest, state: State): Answer {
  const [origin, method] = [sr.header('origin'), sr.header('access-control-request-method')]
  const headers: Record<string, string> = { Allow: allowed }
  if (origin === undefined || method === undefined) return { status: 200, headers }
  const allow = originAllowed(state, origin)
  if (allow === undefined || !allowed.split(', ').includes(method)) refuse(401)
  headers['Access-Control-Allow-Origin'] = allow
  headers['Access-Control-Allow-Methods'] = allowed
  headers['Vary'] = 'Origin, Access-Control-Request-Headers'
  const asked = sr.header('access-control-request-headers')
  if (asked) headers['Access-Control-Allow-Headers'] = asked.replaceAll(/[\r\n]/g, '')
  const age = state.container?.metadata['access-control-max-age']
  if (age && /^\d+$/.test(age)) headers['Access-Control-Max-Age'] = age
  return { status: 200, headers }
}

/** What a reply to a request of another origin says besides. */
export function crossOrigin(sr: SwiftRequest, state: State, answer: Answer): Answer {
  const origin = sr.header('origin')
  const allow = origin === undefined ? undefined : originAllowed(state, origin)
  if (allow === undefined) return answer
  const exposed = new Set([...simple, ...own])
  for (const name of Object.keys(answer.headers))
    if (/^x-(object|container|account)-/i.test(name)) exposed.add(name.toLowerCase())
  for (const name of (state.container?.metadata['access-control-expose-headers'] ?? '').split(/\s+/))
    if (name) exposed.add(name.toLowerCase())
  return {
    ...answer,
    headers: {
      ...answer.headers,
      'Access-Control-Allow-Origin': allow,
      'Access-Control-Expose-Headers': [...exposed].join(', '),
      ...(allow !== '*' && { Vary: 'Origin' }),
    },
  }
}
