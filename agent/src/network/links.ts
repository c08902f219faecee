// The links of the data-plane namespace: for each network a bridge with its tunnel or physical leg and its taps.
// Pure: what is and what should be go in, lines for `ip -batch` come out.
import type { NetworkSpec, PortSpec } from '@pileus/contract/agent.ts'
import { bridgeName, physicalLegName, physicalPeerName, tapName, vxlanName } from './names.ts'
import type { Link } from './read.ts'

const vxlanPort = 4789 // IANA's

export interface PlaneOptions {
  namespace: string
  tunnelAddress: string
  physical: Record<string, { bridge: string; address: string | null }>
  qemuUid: number
}

export interface LinkPlan {
  /** For the data-plane namespace, before the next. */
  plane: string[]
  /** For the agent's own namespace: the underlay socket of a VXLAN device stays where the device was made. */
  host: string[]
}

/** What has to be made (or made anew, because it cannot be changed) so that every link of the network exists. */
export function planCreation(
  network: NetworkSpec,
  ports: readonly PortSpec[],
  options: PlaneOptions,
  now: ReadonlyMap<string, Link>,
): LinkPlan {
  const plane: string[] = []
  const host: string[] = []
  const bridge = bridgeName(network.id)
  if (!now.has(bridge)) {
    // No snooping: with no querier about, it would lose IPv6 neighbour discovery after some minutes.
    plane.push(`link add ${bridge} mtu ${network.mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`)
  }
  if (network.kind === 'vxlan') {
    const name = vxlanName(network.id)
    const vxlan = now.get(name)?.vxlan
    const right = vxlan?.id === network.segment && vxlan.local === options.tunnelAddress && vxlan.port === vxlanPort
    if (now.has(name) && !right) plane.push(`link del ${name}`)
    if (!right) {
      host.push(
        `link add ${name} mtu ${network.mtu} netns ${options.namespace} type vxlan id ${network.segment}` +
          ` local ${options.tunnelAddress} dstport ${vxlanPort} nolearning`,
      )
    }
  } else if (!now.has(physicalLegName(network.id))) {
    const leg = physicalLegName(network.id)
    const peer = physicalPeerName(options.namespace, network.id)
    const mtu = `mtu ${network.mtu}`
    host.push(`link add ${peer} ${mtu} type veth peer name ${leg} ${mtu} netns ${options.namespace}`)
  }
  for (const port of ports) {
    const tap = tapName(port.id)
    // Whatever has the tap's name is taken for the tap: a container's veth serves as well.
    if (!now.has(tap)) plane.push(`tuntap add dev ${tap} mode tap user ${options.qemuUid}`)
  }
  return { plane, host }
}

/** Brings what exists into its bridge, to its MTU, and up. */
export function planSettings(
  network: NetworkSpec,
  ports: readonly PortSpec[],
  now: ReadonlyMap<string, Link>,
): string[] {
  const lines: string[] = []
  const bridge = bridgeName(network.id)
  const settle = (name: string, master: string | undefined): void => {
    const link = now.get(name)
    const changes = [
      ...(master !== undefined && link?.master !== master ? [`master ${master}`] : []),
      ...(link?.mtu === network.mtu ? [] : [`mtu ${network.mtu}`]),
      ...(link?.up === true ? [] : ['up']),
    ]
    if (changes.length > 0) lines.push(`link set ${name} ${changes.join(' ')}`)
  }
  for (const port of ports) settle(tapName(port.id), bridge)
  if (network.kind === 'vxlan') {
    const name = vxlanName(network.id)
    settle(name, bridge)
    const suppress = suppressesNeighbours(ports)
    if ((now.get(name)?.neighSuppress ?? false) !== suppress) {
      lines.push(`link set ${name} type bridge_slave neigh_suppress ${suppress ? 'on' : 'off'}`)
    }
  } else {
    settle(physicalLegName(network.id), bridge)
  }
  // Last: a bridge takes the smallest MTU of its ports until its own is said.
  settle(bridge, undefined)
  return lines
}

/**
 * The bridge answers ARP for addresses behind the tunnel itself, and then also keeps gratuitous ARP from the tunnel.
 * A port that may take over addresses (VRRP) has to be heard there, so with one the bridge stays silent.
 */
export function suppressesNeighbours(ports: readonly PortSpec[]): boolean {
  return ports.every((port) => port.secured && port.allowedPairs.length === 0)
}

/** The agent-side half of a flat network: the bridge, made when missing, and the leg in it. */
export function planPhysical(
  network: NetworkSpec,
  physical: { bridge: string; address: string | null },
  namespace: string,
  host: ReadonlyMap<string, Link>,
): { bridge: string[]; leg: string[] } {
  const bridge: string[] = []
  const now = host.get(physical.bridge)
  if (now === undefined) bridge.push(`link add ${physical.bridge} type bridge stp_state 0 forward_delay 0`)
  // Up only after it has its address: a bridge that is up is finished, or is somebody else's, and is used as it is.
  if (now?.up !== true) {
    if (physical.address !== null) bridge.push(`addr replace ${physical.address} dev ${physical.bridge}`)
    bridge.push(`link set ${physical.bridge} up`)
  }
  const peer = physicalPeerName(namespace, network.id)
  const link = host.get(peer)
  const changes = [
    ...(link?.master === physical.bridge ? [] : [`master ${physical.bridge}`]),
    ...(link?.mtu === network.mtu ? [] : [`mtu ${network.mtu}`]),
    ...(link?.up === true ? [] : ['up']),
  ]
  return { bridge, leg: changes.length === 0 ? [] : [`link set ${peer} ${changes.join(' ')}`] }
}
