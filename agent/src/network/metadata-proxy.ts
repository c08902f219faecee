// One haproxy carries the metadata requests of all networks to the agent's socket. It listens inside the namespaces of
// DHCP servers and routers, and says in headers which network and address a request came from.
import { lines } from './dhcp.ts'
import { metadataAddress } from './spoofing.ts'

export interface MetadataDoor {
  networkId: string
  namespace: string
  /** Where one namespace serves several networks, the interface tells them apart. */
  link: string | null
}

const mostConnections = 500
// One tenant whose guests hold connections open must leave some to all others; what is more waits in the kernel's queue.
const mostPerDoor = 50

export function renderProxy(doors: readonly MetadataDoor[], socket: string, directory: string): string {
  const sorted = doors.toSorted((a, b) => (doorName(a) < doorName(b) ? -1 : 1))
  return lines([
    'global',
    ` maxconn ${mostConnections}`,
    // Handing over the listening sockets is what makes a reload lossless.
    ` stats socket ${directory}/proxy.sock mode 600 level admin expose-fd listeners`,
    ' hard-stop-after 30s',
    'defaults',
    ' mode http',
    ' timeout connect 5s',
    ' timeout client 30s',
    ' timeout server 60s',
    ' timeout http-request 10s',
    ...sorted.flatMap((door) => [
      `frontend ${doorName(door)}`,
      bindLine(door),
      ` maxconn ${mostPerDoor}`,
      ' http-request set-header X-Forwarded-For %[src]',
      ` http-request set-header X-Network-Id ${door.networkId}`,
      ' default_backend agent',
    ]),
    'backend agent',
    ` server agent unix@${socket}`,
  ])
}

/** One door's line in the configuration. */
export function bindLine({ namespace, link }: MetadataDoor): string {
  return ` bind ${metadataAddress}:80${link === null ? '' : ` interface ${link}`} namespace ${namespace}`
}

const doorName = (door: MetadataDoor): string => `${door.namespace}/${door.link ?? 'all'}`.replaceAll('/', '.')
