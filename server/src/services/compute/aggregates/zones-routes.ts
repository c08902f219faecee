import { route } from '#lib/http/route.ts'
import { type ComputeHost, isUp, listHosts } from '../hosts/model.ts'
import { bareTime } from '../wire.ts'
import { defaultZone, listAggregates, zonesByHost } from './model.ts'

/** Zones that have hosts, with them; `available` while one of the hosts takes servers. */
function zonesOf(hosts: readonly ComputeHost[], zones: Map<string, string>) {
  const byZone = Map.groupBy(hosts, (host) => zones.get(host.name) ?? defaultZone)
  return [...byZone]
    .map(([name, members]) => ({ name, members, available: members.some((host) => !host.disabled && isUp(host)) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export const zoneRoutes = [
  route({
    method: 'GET',
    path: '/os-availability-zone',
    policy: 'os_compute_api:os-availability-zone:list',
    async handle({ db, region }) {
      const zones = zonesOf(await listHosts(db, region), zonesByHost(await listAggregates(db, region)))
      return {
        availabilityZoneInfo: zones.map(({ name, available }) => ({
          zoneName: name,
          zoneState: { available },
          hosts: null,
        })),
      }
    },
  }),
  route({
    method: 'GET',
    path: '/os-availability-zone/detail',
    policy: 'os_compute_api:os-availability-zone:detail',
    async handle({ db, region }) {
      const zones = zonesOf(await listHosts(db, region), zonesByHost(await listAggregates(db, region)))
      return {
        availabilityZoneInfo: zones.map(({ name, available, members }) => ({
          zoneName: name,
          zoneState: { available },
          hosts: Object.fromEntries(
            members.map((host) => [
              host.name,
              {
                'nova-compute': {
                  available: isUp(host),
                  active: !host.disabled,
                  updated_at: bareTime(host.lastSeenAt),
                },
              },
            ]),
          ),
        })),
      }
    },
  }),
]
