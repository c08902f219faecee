// The namespaces that serve networks: DHCP for the guests of this host, and routers.
import type { HostNetwork, NetworkSpec, PortSpec, RouterSpec } from '@pileus/contract/agent.ts'
import { canonicalMac } from './address.ts'
import { deleteConnections, ipBatch, ipBatchAll } from './commands.ts'
import { cutFloatingIps } from './conntrack.ts'
import { ensureDaemon, stopDaemon } from './daemon.ts'
import { dhcpAddresses, renderDhcp, servedSubnets } from './dhcp.ts'
import { planAddresses, planLeg, planRoutes } from './legs.ts'
import type { MetadataDoor } from './metadata-proxy.ts'
import {
  bridgeName,
  dhcpInterface,
  dhcpLegName,
  dhcpNamespace,
  gatewayName,
  routerInterfaceName,
  routerNamespace,
} from './names.ts'
import { dhcpSettings, routerSettings, runIn } from './namespaces.ts'
import { enterNamespace, loadOnce, type Plane, serviceDirectory } from './plane.ts'
import { type Link, readInnerLinks, readRoutes } from './read.ts'
import { renderAdvertisements, renderTranslation, routerLegs, routerRoutes } from './router.ts'
import { metadataAddress } from './spoofing.ts'

/** What one pass over the document knows and finds out. */
export interface Pass {
  /** Links of the data-plane namespace. */
  links: ReadonlyMap<string, Link>
  known: Set<string>
  /** Namespaces made in this pass. */
  fresh: Set<string>
}

const startDnsmasq = (namespace: string) => async (configPath: string) => {
  await runIn(namespace, 'dnsmasq', [`--conf-file=${configPath}`])
}

export async function serveDhcp(
  plane: Plane,
  pass: Pass,
  network: NetworkSpec,
  ports: readonly PortSpec[],
): Promise<MetadataDoor> {
  const namespace = dhcpNamespace(plane.options.namespace, network.id)
  if (await enterNamespace(plane, namespace, dhcpSettings, pass.known)) pass.fresh.add(namespace)
  const leg = {
    outer: dhcpLegName(network.id),
    inner: dhcpInterface,
    namespace,
    bridge: bridgeName(network.id),
    mac: canonicalMac(network.dhcpMac),
    mtu: network.mtu,
    addresses: dhcpAddresses(network),
  }
  const plan = planLeg(leg, pass.links, await readInnerLinks(namespace))
  await ipBatch(plane.options.namespace, plan.outer)
  await ipBatch(namespace, plan.inner)

  const directory = serviceDirectory(plane, namespace)
  if (servedSubnets(network).length === 0) await stopDaemon(directory)
  else {
    // Never SIGHUP: with leases in memory, dnsmasq 2.90 dies of it. A new process is there in some milliseconds,
    // grants again what clients ask for, and does not hold an address for a former owner's lease.
    await ensureDaemon({ directory, files: renderDhcp(network, ports, directory), start: startDnsmasq(namespace) })
  }
  return { networkId: network.id, namespace, link: null }
}

export async function serveRouter(
  plane: Plane,
  pass: Pass,
  router: RouterSpec,
  wish: HostNetwork,
): Promise<MetadataDoor[]> {
  const namespace = routerNamespace(plane.options.namespace, router.id)
  const networks = new Map(wish.networks.map((network) => [network.id, network]))
  const { legs, missing } = routerLegs(router, networks, plane.options.namespace)
  if (await enterNamespace(plane, namespace, routerSettings, pass.known)) pass.fresh.add(namespace)
  // Translation before links: nothing may leave untranslated.
  await loadOnce(plane, namespace, renderTranslation(router))
  const before = plane.before.routers.find((old) => old.id === router.id)
  if (before !== undefined) await deleteConnections(namespace, cutFloatingIps(before, router), plane.directory)

  const inner = await readInnerLinks(namespace)
  const plans = legs.map((leg) => planLeg(leg, pass.links, inner))
  await ipBatch(
    plane.options.namespace,
    plans.flatMap((plan) => plan.outer),
  )
  const own = planAddresses('lo', [`${metadataAddress}/32`], inner.get('lo')?.addresses ?? [])
  await ipBatch(namespace, [...new Set([...plans.flatMap((plan) => plan.inner), ...own.lines])])

  const directory = serviceDirectory(plane, namespace)
  const config = renderAdvertisements(router, networks, directory)
  if (config === null) await stopDaemon(directory)
  else await ensureDaemon({ directory, files: { config }, start: startDnsmasq(namespace) })

  if (router.gateway !== null) {
    const gateway = gatewayName(router.gateway.portId)
    const added = plans.flatMap((plan, i) => (legs[i]?.inner === gateway ? plan.added : []))
    announce(plane, namespace, gateway, added)
  }
  // Last, for a next hop that cannot be reached is its owner's mistake and must keep nothing else from working.
  await ipBatchAll(namespace, planRoutes(routerRoutes(router), await readRoutes(namespace)))
  if (missing.length > 0) throw new Error(`The router's networks ${missing.join(', ')} are not in the document.`)
  return router.interfaces.map((port) => ({
    networkId: port.networkId,
    namespace,
    link: routerInterfaceName(port.portId),
  }))
}

/**
 * Tells the neighbours at once where new addresses are; they would find out by themselves, but late. Nobody waits for
 * this: arping takes a second.
 */
function announce(plane: Plane, namespace: string, link: string, addresses: readonly string[]): void {
  for (const address of addresses.filter((one) => !one.includes(':'))) {
    // Both forms: some neighbours heed only a request, others only a reply.
    for (const form of ['-U', '-A']) {
      runIn(namespace, 'arping', [form, '-q', '-c', '1', '-I', link, address]).catch((error: unknown) =>
        plane.log.warn({ err: error, address }, 'A new address could not be announced'),
      )
    }
  }
}
