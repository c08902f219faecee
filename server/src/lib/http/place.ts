// Where a request's path leads: the service that is mounted there, the region before it, an older prefix behind it.
import type { IncomingMessage } from 'node:http'
import type { Service } from '#lib/http/route.ts'

// The region that a request's path named. Regions share one table of routes: what stands before the mount is taken off
// before the router sees it.
const regions = new WeakMap<object, string>()

export function regionNamedBy(raw: IncomingMessage): string | undefined {
  return regions.get(raw)
}

export function withoutRegion(services: readonly Service[], raw: { url?: string | undefined }): string {
  const url = raw.url ?? '/'
  const match = /^\/regions\/([^/?]+)(\/.*)$/.exec(url)
  if (!match || !serviceAt(services, match[2]!)?.regional) return url
  try {
    regions.set(raw, decodeURIComponent(match[1]!))
    return match[2]!
  } catch {
    return url // the router refuses what cannot be decoded
  }
}

/** What stands below a service's older prefix is its present one. */
export function newestPrefix(services: readonly Service[], url: string): string {
  const service = serviceAt(services, url)
  if (service?.olderPrefix === undefined) return url
  const older = `${service.mount}${service.olderPrefix}/`
  return url.startsWith(older) && url.length > older.length && url[older.length] !== '?'
    ? `${service.mount}${service.prefix}/${url.slice(older.length)}`
    : url
}

export function serviceAt(services: readonly Service[], path: string): Service | undefined {
  return services.find(({ mount }) => path === mount || path.startsWith(`${mount}/`) || path.startsWith(`${mount}?`))
}
