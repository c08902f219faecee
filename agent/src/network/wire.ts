// Bridges, tunnels, physical legs and taps of the wished networks.
import type { HostNetwork, NetworkSpec } from '@pileus/contract/agent.ts'
import { bridgeBatch, deleteLinks, ipBatch } from './commands.ts'
import type { Faults } from './faults.ts'
import { planForwarding, planNeighbours } from './forwarding.ts'
import { planCreation, planPhysical, planSettings } from './links.ts'
import { bridgeName, dhcpLegName, isOurLink, physicalLegName, routerLegName, tapName, vxlanName } from './names.ts'
import type { Plane } from './plane.ts'
import { readForwarding, readLinks, readNeighbours } from './read.ts'

/** Wires all networks; where that fails, each by itself, so that one bad network keeps down no other. */
export async function wireNetworks(plane: Plane, wish: HostNetwork, faults: Faults): Promise<void> {
  const good = wish.networks.filter((network) => {
    if (network.kind !== 'flat' || plane.options.physical[network.physical] !== undefined) return true
    faults.add(network.id, `This host has no physical network "${network.physical}".`)
    return false
  })
  try {
    await wire(plane, good, wish)
  } catch (error) {
    plane.log.warn({ err: error }, 'The networks could not be wired together; trying each')
    for (const network of good) await faults.attempt(network.id, () => wire(plane, [network], wish))
  }
}

async function wire(plane: Plane, networks: readonly NetworkSpec[], wish: HostNetwork): Promise<void> {
  const { namespace, physical } = plane.options
  const portsOf = (network: NetworkSpec) => wish.ports.filter((port) => port.networkId === network.id)
  const links = await readLinks(namespace)
  const creations = networks.map((network) => planCreation(network, portsOf(network), plane.options, links))
  await ipBatch(
    namespace,
    creations.flatMap((plan) => plan.plane),
  )
  await ipBatch(
    undefined,
    creations.flatMap((plan) => plan.host),
  )
  for (const network of networks) {
    const target = network.kind === 'flat' ? physical[network.physical] : undefined
    if (target === undefined) continue
    // Read anew each time: two flat networks may name one bridge.
    const plan = planPhysical(network, target, namespace, await readLinks(undefined))
    await ipBatch(undefined, [...plan.bridge, ...plan.leg])
  }
  const made = await readLinks(namespace)
  await ipBatch(
    namespace,
    networks.flatMap((network) => planSettings(network, portsOf(network), made)),
  )
  const forwarding = await readForwarding(namespace)
  const tunnelled = networks.filter((network) => network.kind === 'vxlan')
  await bridgeBatch(
    namespace,
    tunnelled.flatMap((network) => planForwarding(network, forwarding)),
  )
  const neighbours = await readNeighbours(namespace)
  await ipBatch(
    namespace,
    networks.flatMap((network) => planNeighbours(network, portsOf(network), neighbours)),
  )
}

/** Deletes the links that nobody wishes for any more. */
export async function unwire(plane: Plane, wish: HostNetwork): Promise<void> {
  const wanted = new Set<string>([
    ...wish.networks.map((network) => bridgeName(network.id)),
    ...wish.networks.map((network) => (network.kind === 'vxlan' ? vxlanName : physicalLegName)(network.id)),
    ...wish.networks.map((network) => dhcpLegName(network.id)),
    ...wish.ports.map((port) => tapName(port.id)),
    ...wish.routers
      .filter((router) => router.up)
      .flatMap((router) => [...router.interfaces, ...(router.gateway === null ? [] : [router.gateway])])
      .map((port) => routerLegName(port.portId)),
  ])
  const now = await readLinks(plane.options.namespace)
  const gone = [...now.keys()].filter((name) => isOurLink(name) && !wanted.has(name))
  await deleteLinks(plane.options.namespace, gone)
}
