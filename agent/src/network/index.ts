// The network data plane of one host, made from one document. See README.md beside this file.
import type { HostNetwork, NetworkStatus, PortSpec } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import { canonical } from './address.ts'
import { applyDocument, removeServices } from './apply.ts'
import { deleteLinks } from './commands.ts'
import { stopDaemon } from './daemon.ts'
import { isOurLink, tapName } from './names.ts'
import { deleteNamespace, listNamespaces } from './namespaces.ts'
import { emptyDocument, openPlane, type Plane } from './plane.ts'
import { proxyDirectory } from './proxy.ts'
import { readLinks } from './read.ts'

export { probeNetwork } from './probe.ts'

export interface NetworkPlane {
  /**
   * Makes the document true; may be called again at will with the same or a newer one. Calls are carried out one after
   * the other. Never rejects: what could not be done is in the status.
   */
  apply(wish: HostNetwork): Promise<NetworkStatus>
  /**
   * The tap of a port that is wired, owned by the QEMU user; undefined while the port is not (yet) known.
   * `namespace` is where QEMU must run.
   */
  tapFor(portId: string): { name: string; namespace: string } | undefined
  /** Which port asked the metadata service: by network id and source address (headers set by haproxy). */
  portAt(networkId: string, address: string): PortSpec | undefined
  /**
   * Ends what runs only for the sake of the data plane (dnsmasq, haproxy, namespaces, links). A host-side bridge of a
   * physical network stays. For `--teardown` and tests: a normal agent stop leaves everything in place.
   */
  teardown(): Promise<void>
}

export interface NetworkOptions {
  dataDir: string
  /** The data-plane namespace; the names of all others begin with it. */
  namespace: string
  tunnelAddress: string
  physical: Record<string, { bridge: string; address: string | null }>
  qemuUid: number
  metadataSocket: string
  log: Logger
}

export function networkPlane(options: NetworkOptions): NetworkPlane {
  const { namespace, metadataSocket, qemuUid, physical, log } = options
  const tunnelAddress = canonical(options.tunnelAddress)
  let plane: Promise<Plane> | undefined
  let document = emptyDocument
  let wired = new Set<string>()
  let last: Promise<unknown> = Promise.resolve()

  const open = (): Promise<Plane> =>
    (plane ??= openPlane({ namespace, tunnelAddress, physical, qemuUid, metadataSocket }, log))
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  return {
    apply: (wish) =>
      inTurn(async () => {
        try {
          const status = await applyDocument(await open(), wish)
          document = wish
          wired = new Set(status.ports)
          return status
        } catch (error) {
          plane = undefined // read anew what is on disk: some of it may have been written
          log.error({ err: error }, 'The network document could not be applied')
          return { ready: false, ports: [], routers: [], error: error instanceof Error ? error.message : String(error) }
        }
      }),
    tapFor: (portId) => (wired.has(portId) ? { name: tapName(portId), namespace } : undefined),
    portAt(networkId, address) {
      if (isIP(address) === 0) return undefined
      const wanted = canonical(address)
      return document.ports.find(
        (port) => port.networkId === networkId && port.addresses.some((one) => canonical(one.address) === wanted),
      )
    },
    teardown: () =>
      inTurn(async () => {
        const opened = await open()
        await stopDaemon(proxyDirectory(opened))
        await removeServices(opened, emptyDocument)
        if ((await listNamespaces()).has(namespace)) {
          // One by one, for a guest that still runs would keep the namespace and its links alive.
          const links = [...(await readLinks(namespace)).keys()].filter(isOurLink)
          await deleteLinks(namespace, links)
          await deleteNamespace(namespace)
        }
        await rm(opened.directory, { recursive: true, force: true })
        plane = undefined
        document = emptyDocument
        wired = new Set()
      }),
  }
}
