import { hash } from 'node:crypto'
import { parseVersion } from '#lib/microversion.ts'
import { view, type Viewer } from '#lib/view.ts'
import type { ServerNic } from '#network'
import { bareTimeOrNull, bookmark, iso, links } from '../wire.ts'
import type { ListedServer, Server } from './model.ts'
import { words } from './states.ts'

/** A server's row with what other tables say of it. */
export interface ShownServer extends ListedServer {
  nics: readonly ServerNic[]
  /** UP, DOWN, MAINTENANCE or '' without a host; only loaded where it is shown. */
  hostStatus?: string
  /** The cold part of the row, where it was loaded. */
  cold?: Pick<Server, 'userData' | 'image'>
}

const embedsFlavor = parseVersion('2.47')
const progressing = new Set(['ACTIVE', 'BUILD', 'REBUILD'])

/** The host without its name, different for each project, as Nova computes it. */
export function hostId(projectId: string, host: string | null): string {
  return host === null ? '' : hash('sha224', projectId + host)
}

/** `{<network>: [{addr, version, …}]}`, fixed addresses before floating ones. */
export function addressesOf(nics: readonly ServerNic[], extended = true) {
  const shown: Record<string, unknown[]> = {}
  for (const nic of nics) {
    const all = (shown[nic.networkName] ??= [])
    for (const [type, addresses] of [
      ['fixed', nic.addresses],
      ['floating', nic.floating],
    ] as const) {
      for (const { address, version } of addresses)
        all.push(
          extended
            ? { version, addr: address, 'OS-EXT-IPS:type': type, 'OS-EXT-IPS-MAC:mac_addr': nic.mac }
            : { version, addr: address },
        )
    }
  }
  return shown
}

function flavorOf(s: ShownServer, viewer: Viewer) {
  const { flavor } = s
  if (viewer.version < embedsFlavor) return { id: s.flavorId, links: bookmark(viewer, 'flavors', s.flavorId) }
  const target = { project_id: s.projectId }
  const { vcpus, ramMb: ram, diskGb: disk, ephemeralGb: ephemeral, swapMb: swap, extraSpecs } = flavor
  const shown = { vcpus, ram, disk, ephemeral, swap, original_name: flavor.name }
  return viewer.policy.allows('os_compute_api:servers:show:flavor-extra-specs', viewer.actor, target)
    ? { ...shown, extra_specs: extraSpecs }
    : shown
}

function securityGroupsOf(s: ShownServer) {
  const names = new Set(s.nics.flatMap((nic) => nic.securityGroups))
  return names.size > 0 ? [...names].map((name) => ({ name })) : undefined
}

/** Where a server is in its building: shown as the task state. */
function taskOf(s: ShownServer): string | null {
  return s.state === 'building' && s.host === null ? 'scheduling' : words[s.state].task
}

const extended = 'os_compute_api:os-extended-server-attributes'
const attr = 'OS-EXT-SRV-ATTR'

const always = {
  id: (s: ShownServer) => s.id,
  name: (s: ShownServer) => s.name,
  status: (s: ShownServer) => words[s.state].status,
  tenant_id: (s: ShownServer) => s.projectId,
  user_id: (s: ShownServer) => s.userId,
  metadata: (s: ShownServer) => s.metadata,
  hostId: (s: ShownServer) => hostId(s.projectId, s.host),
  image: (s: ShownServer, viewer: Viewer) => ({ id: s.imageId, links: bookmark(viewer, 'images', s.imageId) }),
  flavor: flavorOf,
  created: (s: ShownServer) => iso(s.createdAt),
  updated: (s: ShownServer) => iso(s.updatedAt),
  addresses: (s: ShownServer) => (s.state === 'building' ? {} : addressesOf(s.nics)),
  accessIPv4: (s: ShownServer) => s.accessIpV4 ?? '',
  accessIPv6: (s: ShownServer) => s.accessIpV6 ?? '',
  links: (s: ShownServer, viewer: Viewer) => links(viewer, 'servers', s.id),
  'OS-DCF:diskConfig': (s: ShownServer) => s.diskConfig,
  progress: (s: ShownServer) => (progressing.has(words[s.state].status) ? (s.state === 'active' ? 100 : 0) : undefined),
  fault: (s: ShownServer) => (s.state === 'error' ? (s.fault ?? undefined) : undefined),
}
const more = {
  'OS-EXT-AZ:availability_zone': (s: ShownServer) => s.availabilityZone ?? s.requestedZone ?? '',
  config_drive: (s: ShownServer) => (s.configDrive ? 'True' : ''),
  key_name: (s: ShownServer) => s.keyName,
  'OS-SRV-USG:launched_at': (s: ShownServer) => bareTimeOrNull(s.launchedAt),
  'OS-SRV-USG:terminated_at': (s: ShownServer) => bareTimeOrNull(s.deletedAt),
  security_groups: securityGroupsOf,
  [`${attr}:host`]: { policy: extended, get: (s: ShownServer) => s.host },
  [`${attr}:instance_name`]: {
    policy: extended,
    get: (s: ShownServer) => `instance-${s.n.toString(16).padStart(8, '0')}`,
  },
  [`${attr}:hypervisor_hostname`]: { policy: extended, get: (s: ShownServer) => s.host },
  [`${attr}:hostname`]: { since: '2.3', until: '2.89', policy: extended, get: (s: ShownServer) => s.hostname },
  [`${attr}:hostname `]: { since: '2.90', get: (s: ShownServer) => s.hostname },
  [`${attr}:kernel_id`]: {
    since: '2.3',
    policy: extended,
    get: (s: ShownServer) => s.cold?.image.kernel?.imageId ?? '',
  },
  [`${attr}:ramdisk_id`]: {
    since: '2.3',
    policy: extended,
    get: (s: ShownServer) => s.cold?.image.ramdisk?.imageId ?? '',
  },
  [`${attr}:launch_index`]: { since: '2.3', policy: extended, get: (s: ShownServer) => s.launchIndex },
  [`${attr}:reservation_id`]: { since: '2.3', policy: extended, get: (s: ShownServer) => s.reservationId },
  [`${attr}:root_device_name`]: { since: '2.3', policy: extended, get: () => '/dev/vda' },
  [`${attr}:user_data`]: { since: '2.3', policy: extended, get: (s: ShownServer) => s.cold?.userData ?? null },
  'OS-EXT-STS:task_state': taskOf,
  'OS-EXT-STS:vm_state': (s: ShownServer) => words[s.state].vm,
  'OS-EXT-STS:power_state': (s: ShownServer) => words[s.state].power,
  'os-extended-volumes:volumes_attached': () => [],
  host_status: {
    since: '2.16',
    policy: 'os_compute_api:servers:show:host_status',
    get: (s: ShownServer) => s.hostStatus ?? '',
  },
}
const later = {
  locked: { since: '2.9', get: (s: ShownServer) => s.lockedBy !== null },
  description: { since: '2.19', get: (s: ShownServer) => s.description },
  tags: { since: '2.26', get: (s: ShownServer) => s.tags },
  trusted_image_certificates: { since: '2.63', get: () => null },
  locked_reason: { since: '2.73', get: (s: ShownServer) => s.lockedReason },
}
const pinned = {
  pinned_availability_zone: { since: '2.96', get: (s: ShownServer) => s.requestedZone },
}

export const serverDetail = view<ShownServer>(['server', 'servers'], { ...always, ...more, ...later, ...pinned })
/** A single server also tells of its group. */
export const serverView = view<ShownServer>(['server', 'servers'], {
  ...always,
  ...more,
  ...later,
  ...pinned,
  server_groups: { since: '2.71', get: (s) => (s.groupId ? [s.groupId] : []) },
})
export const serverBrief = view<Pick<ListedServer, 'id' | 'name'>>(['server', 'servers'], {
  id: (s) => s.id,
  name: (s) => s.name,
  links: (s, viewer) => links(viewer, 'servers', s.id),
})

// What PUT and rebuild answer: below 2.75 without the extensions' fields.
const sinceEqual = (fields: typeof more) =>
  Object.fromEntries(
    Object.entries(fields).map(([key, field]) => {
      const rule = typeof field === 'function' ? { get: field } : field
      const since = 'since' in rule && parseVersion(rule.since) > parseVersion('2.75') ? rule.since : '2.75'
      return [key, { ...rule, since }]
    }),
  ) as unknown as typeof more
export const serverChanged = view<ShownServer>(['server', 'servers'], {
  ...always,
  ...sinceEqual(more),
  ...later,
  ...pinned,
  key_name: { since: '2.54', get: (s) => s.keyName },
  server_groups: { since: '2.71', get: (s) => (s.groupId ? [s.groupId] : []) },
})
