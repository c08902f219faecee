// One pass over the document: from what is to what should be, in an order in which nobody gets more than is his.
import type { HostNetwork, NetworkStatus, PortSpec } from '@pileus/contract/agent.ts'
import { readdir } from 'node:fs/promises'
import { deleteConnections } from './commands.ts'
import { cutConnections } from './conntrack.ts'
import { stopDaemon } from './daemon.ts'
import { dhcpAddresses } from './dhcp.ts'
import { collectFaults, type Faults } from './faults.ts'
import { renderFilter } from './filter.ts'
import { dhcpNamespace, isSafeId, isServiceNamespace, routerNamespace } from './names.ts'
import { deleteNamespace, ensureBridgeFilter, listNamespaces, planeSettings } from './namespaces.ts'
import { assignZones, enterNamespace, loadOnce, type Plane, rememberApplied, serviceDirectory } from './plane.ts'
import { ensureProxy } from './proxy.ts'
import { readLinks } from './read.ts'
import { type Pass, serveDhcp, serveRouter } from './serve.ts'
import { unwire, wireNetworks } from './wire.ts'

// Each service takes a handful of short-lived programs; a few at a time keep the cores busy without a storm.
const servicesAtOnce = 4

/** Makes the document true as far as it can be; what cannot be is in the status. Throws when nothing could be done. */
export async function applyDocument(plane: Plane, wish: HostNetwork): Promise<NetworkStatus> {
  checkIds(wish)
  const faults = collectFaults(plane.log)
  const { namespace } = plane.options
  await ensureBridgeFilter()
  const known = await listNamespaces()
  await enterNamespace(plane, namespace, planeSettings, known)

  // The filter goes first: a new port meets its rules, and a port that is gone has no permission left.
  const zones = await assignZones(plane, wish)
  await loadOnce(plane, namespace, renderFilter(wish, zones))
  await deleteConnections(namespace, cutConnections(plane.before, wish, zones), plane.directory)

  await unwire(plane, wish) // before anything new: a VNI may have passed to another network
  await wireNetworks(plane, wish, faults)
  const pass: Pass = { links: await readLinks(namespace), known, fresh: new Set() }
  await serve(plane, pass, wish, faults)
  await removeServices(plane, wish)
  await rememberApplied(plane, wish)
  return status(wish, faults)
}

async function serve(plane: Plane, pass: Pass, wish: HostNetwork, faults: Faults): Promise<void> {
  const portsOf = guestsByNetwork(wish)
  const work = [
    ...wish.networks
      .filter((network) => portsOf.has(network.id) && dhcpAddresses(network).length > 0 && !faults.has(network.id))
      .map(
        (network) => () =>
          faults.attempt(network.id, async () => [
            await serveDhcp(plane, pass, network, portsOf.get(network.id) ?? []),
          ]),
      ),
    ...wish.routers
      .filter((router) => router.up)
      .map((router) => () => faults.attempt(router.id, () => serveRouter(plane, pass, router, wish))),
  ]
  const doors = (await inParallel(work)).flatMap((found) => found ?? [])
  await faults.attempt('metadata', () => ensureProxy(plane, doors, pass.fresh))
}

function guestsByNetwork(wish: HostNetwork): Map<string, PortSpec[]> {
  return Map.groupBy(wish.ports, (port) => port.networkId)
}

async function inParallel<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  const queue = [...work]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) results.push(await next())
  }
  await Promise.all(Array.from({ length: servicesAtOnce }, worker))
  return results
}

/** Ends the DHCP servers and routers that nobody wishes for; `emptyDocument` ends all. */
export async function removeServices(plane: Plane, wish: HostNetwork): Promise<void> {
  const { namespace } = plane.options
  const guests = guestsByNetwork(wish)
  const wanted = new Set([
    ...wish.networks
      .filter((network) => guests.has(network.id) && dhcpAddresses(network).length > 0)
      .map((network) => dhcpNamespace(namespace, network.id)),
    ...wish.routers.filter((router) => router.up).map((router) => routerNamespace(namespace, router.id)),
  ])
  // Also where only a directory is left: its daemon may still run.
  const directories = (await readdir(plane.directory)).map((name) => `${namespace}-${name}`)
  const present = new Set([...(await listNamespaces()), ...directories])
  const gone = [...present].filter((name) => isServiceNamespace(namespace, name) && !wanted.has(name))
  await inParallel(
    gone.map((name) => async () => {
      await stopDaemon(serviceDirectory(plane, name))
      await deleteNamespace(name)
      plane.loaded.delete(name)
    }),
  )
}

function status(wish: HostNetwork, faults: Faults): NetworkStatus {
  const networks = new Set(wish.networks.map((network) => network.id))
  return {
    ready: faults.summary() === null,
    ports: wish.ports
      .filter((port) => networks.has(port.networkId) && !faults.has(port.networkId))
      .map((port) => port.id),
    routers: wish.routers.filter((router) => !faults.has(router.id)).map((router) => router.id),
    error: faults.summary(),
  }
}

function checkIds(wish: HostNetwork): void {
  const ids = [
    ...wish.networks.map((network) => network.id),
    ...wish.ports.map((port) => port.id),
    ...wish.routers.map((router) => router.id),
    ...Object.keys(wish.groups),
  ]
  for (const id of ids) if (!isSafeId(id)) throw new Error(`"${id}" cannot be an id: it would not be safe in a name.`)
}
