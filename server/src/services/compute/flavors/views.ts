import { parseVersion } from '#lib/microversion.ts'
import { view, type Viewer } from '#lib/view.ts'
import { links } from '../wire.ts'
import type { Flavor } from './model.ts'

const swapIsNumber = parseVersion('2.75')
const maySeeSpecs = (viewer: Viewer) =>
  viewer.policy.allows('os_compute_api:os-flavor-extra-specs:index', viewer.actor, {
    project_id: viewer.actor.projectId,
  })

export const flavorView = view<Flavor>(['flavor', 'flavors'], {
  id: (f) => f.flavorId,
  name: (f) => f.name,
  ram: (f) => f.ramMb,
  disk: (f) => f.diskGb,
  vcpus: (f) => f.vcpus,
  swap: (f, viewer) => (f.swapMb === 0 && viewer.version < swapIsNumber ? '' : f.swapMb),
  'OS-FLV-EXT-DATA:ephemeral': (f) => f.ephemeralGb,
  'OS-FLV-DISABLED:disabled': () => false,
  'os-flavor-access:is_public': (f) => f.isPublic,
  rxtx_factor: (f) => f.rxtxFactor,
  links: (f, viewer) => links(viewer, 'flavors', f.flavorId),
  description: { since: '2.55', get: (f) => f.description },
  extra_specs: { since: '2.61', get: (f, viewer) => (maySeeSpecs(viewer) ? f.extraSpecs : undefined) },
})

export const flavorBrief = view<Flavor>(['flavor', 'flavors'], {
  id: (f) => f.flavorId,
  name: (f) => f.name,
  links: (f, viewer) => links(viewer, 'flavors', f.flavorId),
  description: { since: '2.55', get: (f) => f.description },
})
