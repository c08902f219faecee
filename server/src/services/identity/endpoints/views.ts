import type { World } from '#lib/world.ts'
import { expandUrl } from '../catalog/model.ts'
import type { Endpoint } from '../model.ts'
import { type IdentityView, identityView } from '../shown.ts'

const made = new WeakMap<object, IdentityView<Endpoint>>()

/** Addresses of this cloud's own are shown as clients reach them. */
export function endpointView(world: Pick<World, 'config'>): IdentityView<Endpoint> {
  const known =
    made.get(world.config) ??
    identityView<Endpoint>(['endpoint', 'endpoints'], '/endpoints', {
      service_id: (e) => e.serviceId,
      region_id: (e) => e.regionId,
      region: (e) => e.regionId,
      interface: (e) => e.interface,
      url: (e) => expandUrl(e.url, world),
      enabled: (e) => e.enabled,
      name: (e) => e.name ?? undefined,
    })
  made.set(world.config, known)
  return known
}
