// Names of links, namespaces and packet marks, all computed from our own ids: what exists can always be told from its
// name, and nothing has to be remembered.
import { createHash } from 'node:crypto'
import { join } from 'node:path'

// A link's name has at most 15 characters. The end of an id is taken, for in time-ordered UUIDs only the end is random.
const tailLength = 11

/** The last characters of an id, letters and digits only: part of link and chain names. */
export function tail(id: string): string {
  return id.replaceAll(/[^0-9A-Za-z]/g, '').slice(-tailLength)
}

export const bridgeName = (networkId: string): string => `br-${tail(networkId)}`
export const vxlanName = (networkId: string): string => `vx-${tail(networkId)}`
/** The leg of a flat network's bridge that leads out of the data-plane namespace, and its peer there. */
export const physicalLegName = (networkId: string): string => `ph-${tail(networkId)}`
export const tapName = (portId: string): string => `tap${tail(portId)}`
export const dhcpLegName = (networkId: string): string => `dh-${tail(networkId)}`
export const routerLegName = (portId: string): string => `rp-${tail(portId)}`
export const routerInterfaceName = (portId: string): string => `qr-${tail(portId)}`
export const gatewayName = (portId: string): string => `qg-${tail(portId)}`
/** The interface of a DHCP namespace. */
export const dhcpInterface = 'dhcp0'

/** The peer of a physical leg: many data planes may share the agent's namespace, so their name is in it. */
export function physicalPeerName(namespace: string, networkId: string): string {
  return `pl-${createHash('sha256').update(`${namespace}/${networkId}`).digest('hex').slice(0, tailLength)}`
}

/** Every link in the data-plane namespace that is ours to delete once nobody wishes for it. */
export const isOurLink = (name: string): boolean => /^(br-|vx-|ph-|dh-|rp-|tap)/.test(name)

export const dhcpNamespace = (plane: string, networkId: string): string => `${plane}-dhcp-${networkId}`
export const routerNamespace = (plane: string, routerId: string): string => `${plane}-router-${routerId}`
export function isServiceNamespace(plane: string, name: string): boolean {
  return name.startsWith(`${plane}-dhcp-`) || name.startsWith(`${plane}-router-`)
}

/** Where the files of running services are: they have the lifetime of the kernel's namespaces, so not on disk. */
export const runDirectory = (plane: string): string => join('/run/pileus', plane)

/**
 * A packet mark for each port, the same after every restart: from a hash of the id; when two collide, the later id
 * in sort order takes the next free number. Zero means "not from a port" and is never given.
 */
export function portMarks(portIds: readonly string[]): Map<string, number> {
  const marks = new Map<string, number>()
  const taken = new Set<number>([0])
  for (const id of portIds.toSorted()) {
    let mark = createHash('sha256').update(id).digest().readUInt32BE(0)
    while (taken.has(mark)) mark = (mark + 1) % 2 ** 32
    taken.add(mark)
    marks.set(id, mark)
  }
  return marks
}

// Ids become parts of file names and commands.
const safeId = /^[0-9A-Za-z][0-9A-Za-z_-]*$/
export const isSafeId = (id: string): boolean => safeId.test(id)
