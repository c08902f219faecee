// What is asked of placement for a server.
import type { Db } from '#lib/db.ts'
import type { PlacementRequest } from '#placement'
import { listAggregates, zoneHosts } from '../aggregates/model.ts'
import { findGroup, membersOf } from '../server-groups/model.ts'
import type { Server } from './model.ts'

/** The request for this server, with its zone, its group and its hints turned into hosts and consumers. */
export async function placementRequest(db: Db, server: Server): Promise<PlacementRequest> {
  const { flavor, image, region, requestedZone, requestedHost, schedulerHints, groupId } = server
  const traits = traitsOf(flavor.extraSpecs)
  for (const [key, value] of Object.entries(traitsOf(image.properties))) traits[key] ??= value
  const request: PlacementRequest = {
    region,
    consumerId: server.id,
    projectId: server.projectId,
    userId: server.userId,
    resources: resourcesOf(server),
    requiredTraits: Object.keys(traits).filter((name) => traits[name] === 'required'),
    forbiddenTraits: Object.keys(traits).filter((name) => traits[name] === 'forbidden'),
    ...(schedulerHints.sameHost && { sameHostAs: schedulerHints.sameHost }),
    ...(schedulerHints.differentHost && { differentHostFrom: schedulerHints.differentHost }),
  }
  if (requestedHost !== null) return { ...request, hosts: [requestedHost] }
  if (requestedZone !== null) Object.assign(request, zoneHosts(await listAggregates(db, region), requestedZone))
  if (groupId !== null) Object.assign(request, await companyOf(db, server, groupId, request))
  return request
}

/** Nova's resource classes; extra specs `resources:CLASS=amount` replace or add amounts. */
export function resourcesOf({ flavor }: Pick<Server, 'flavor'>): Record<string, number> {
  const resources: Record<string, number> = {
    VCPU: flavor.vcpus,
    MEMORY_MB: flavor.ramMb,
    DISK_GB: flavor.diskGb + flavor.ephemeralGb + Math.ceil(flavor.swapMb / 1024),
  }
  for (const [key, value] of Object.entries(flavor.extraSpecs)) {
    const name = /^resources:([A-Z0-9_]+)$/.exec(key)?.[1]
    if (name && /^\d+$/.test(value)) resources[name] = Number(value)
  }
  return Object.fromEntries(Object.entries(resources).filter(([, amount]) => amount > 0))
}

function traitsOf(specs: Readonly<Record<string, string>>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [key, value] of Object.entries(specs)) {
    const name = /^trait:([A-Z0-9_]+)$/.exec(key)?.[1]
    if (name) found[name] = value
  }
  return found
}

async function companyOf(
  db: Db,
  server: Server,
  groupId: string,
  request: PlacementRequest,
): Promise<Partial<PlacementRequest>> {
  const group = await findGroup(db, server.region, groupId)
  if (!group) return {}
  const others = (await membersOf(db, [groupId])).get(groupId)?.filter(({ id }) => id !== server.id) ?? []
  const ids = others.map(({ id }) => id)
  if (ids.length === 0) return {}
  switch (group.policy) {
    case 'affinity':
      // only those that have a host: the first one of a group goes anywhere
      return others.some(({ host }) => host !== null) ? { sameHostAs: [...(request.sameHostAs ?? []), ...ids] } : {}
    case 'anti-affinity': {
      if (group.maxServerPerHost === 1) return { differentHostFrom: [...(request.differentHostFrom ?? []), ...ids] }
      const perHost = new Map<string, number>()
      for (const { host } of others) if (host !== null) perHost.set(host, (perHost.get(host) ?? 0) + 1)
      return { avoidHosts: [...perHost].filter(([, n]) => n >= group.maxServerPerHost).map(([host]) => host) }
    }
    case 'soft-affinity':
      return { preferHostOf: ids }
    case 'soft-anti-affinity':
      return { spreadFrom: ids }
  }
}
