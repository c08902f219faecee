// Documents for tests, small and alike; every id is new unless a test gives its own.
import type { HostNetwork, NetworkSpec, PortSpec } from '@pileus/contract/agent.ts'
import { randomUUID } from 'node:crypto'

export const nothing: HostNetwork = { networks: [], ports: [], routers: [], groups: {} }

let lastNumber = 0

/** A tenant network 10.0.0.0/24 + fd00:<vni>::/64; every one has the same IPv4 range. */
export function tenantNetwork(changes: Partial<NetworkSpec> = {}): NetworkSpec {
  lastNumber += 1
  const segment = 1000 + lastNumber
  return {
    id: randomUUID(),
    kind: 'vxlan',
    segment,
    physical: '',
    mtu: 1400,
    dhcpMac: 'fa:16:3e:00:00:02',
    domain: 'example.org',
    subnets: [
      {
        id: randomUUID(),
        version: 4,
        cidr: '10.0.0.0/24',
        gateway: '10.0.0.1',
        dhcp: true,
        dhcpAddress: '10.0.0.2',
        raMode: null,
        addressMode: null,
        dns: ['192.0.2.53'],
        routes: [],
      },
      {
        id: randomUUID(),
        version: 6,
        cidr: 'fd00:1::/64',
        gateway: 'fd00:1::1',
        dhcp: false,
        dhcpAddress: null,
        raMode: null,
        addressMode: null,
        dns: [],
        routes: [],
      },
    ],
    remote: [],
    ...changes,
  }
}

/** A port with the host number `n` in each subnet of the network, and rules that let everything through. */
export function portIn(network: NetworkSpec, n: number, changes: Partial<PortSpec> = {}): PortSpec {
  const mac = `fa:16:3e:01:00:${n.toString(16).padStart(2, '0')}`
  return {
    id: randomUUID(),
    networkId: network.id,
    machineId: randomUUID(),
    mac,
    hostname: `guest-${n}`,
    up: true,
    addresses: network.subnets.map((subnet) => ({
      subnetId: subnet.id,
      address: subnet.cidr.replace(/(\.0)?\/\d+$/, subnet.version === 4 ? `.${n}` : `${n}`),
    })),
    allowedPairs: [],
    secured: true,
    rules: [4, 6].flatMap((version) => [openRule('ingress', version as 4 | 6), openRule('egress', version as 4 | 6)]),
    dhcpOptions: [],
    ...changes,
  }
}

export function openRule(direction: 'ingress' | 'egress', version: 4 | 6 = 4): PortSpec['rules'][number] {
  return { direction, version, protocol: null, portMin: null, portMax: null, remoteCidr: null, remoteGroup: null }
}

/** What the host of the *other* ports is told about this one. */
function remoteEntry(port: PortSpec, host: 1 | 2): NetworkSpec['remote'][number] {
  return {
    mac: port.mac,
    addresses: port.addresses.map(({ address }) => address),
    tunnelAddress: `192.0.2.${host}`,
  }
}

type RouterSpec = HostNetwork['routers'][number]

/** The documents of both hosts: ports where they are, and routers on the first host. */
export function documents(
  networks: readonly NetworkSpec[],
  ports: readonly [PortSpec[], PortSpec[]],
  routers: RouterSpec[] = [],
  groups: HostNetwork['groups'] = {},
): [HostNetwork, HostNetwork] {
  const legs = (network: NetworkSpec): NetworkSpec['remote'] =>
    routers
      .flatMap((router) => [...router.interfaces, ...(router.gateway === null ? [] : [router.gateway])])
      .filter((port) => port.networkId === network.id)
      .map((port) => ({
        mac: port.mac,
        addresses: port.addresses.map((cidr) => cidr.replace(/\/\d+$/, '')),
        tunnelAddress: '192.0.2.1',
      }))
  const remote = (network: NetworkSpec, host: 1 | 2): NetworkSpec['remote'] => [
    ...ports[host - 1 === 0 ? 0 : 1].filter((port) => port.networkId === network.id).map((p) => remoteEntry(p, host)),
    ...(host === 1 ? legs(network) : []),
  ]
  const document = (host: 1 | 2): HostNetwork => ({
    networks: networks.map((network) => ({ ...network, remote: remote(network, host === 1 ? 2 : 1) })),
    ports: ports[host === 1 ? 0 : 1],
    routers: host === 1 ? routers : [],
    groups,
  })
  return [document(1), document(2)]
}

/** The external network 172.24.4.0/24, which host 1 itself is on with .1. */
export function externalNetwork(): NetworkSpec {
  const network = tenantNetwork({ kind: 'flat', physical: 'public', segment: 0, mtu: 1500 })
  return {
    ...network,
    subnets: network.subnets.slice(0, 1).map((subnet) => ({
      ...subnet,
      cidr: '172.24.4.0/24',
      gateway: '172.24.4.1',
      dhcp: false,
      dhcpAddress: null,
    })),
  }
}

/** A router with `.1`/`::1` in each network; with a gateway at 172.24.4.<n> when there is an external network. */
export function routerFor(networks: readonly NetworkSpec[], external?: NetworkSpec, n = 100): RouterSpec {
  return {
    id: randomUUID(),
    up: true,
    interfaces: networks.map((network, i) => ({
      portId: randomUUID(),
      networkId: network.id,
      mac: `fa:16:3e:02:${n.toString(16).padStart(2, '0')}:0${i + 1}`,
      addresses: network.subnets.map((subnet) => `${subnet.gateway}/${subnet.cidr.split('/')[1]}`),
    })),
    gateway:
      external === undefined
        ? null
        : {
            portId: randomUUID(),
            networkId: external.id,
            mac: `fa:16:3e:03:00:${n.toString(16).padStart(2, '0')}`,
            addresses: [`172.24.4.${n}/24`],
            nexthops: ['172.24.4.1'],
            snat: true,
          },
    floatingIps: [],
    routes: [],
  }
}

/** The same network with other ranges, for a router between two. */
export function renumbered(network: NetworkSpec, from4: string, from6: string): NetworkSpec {
  const change = (text: string): string => text.replace('10.0.0.', from4).replace('fd00:1::', from6)
  return {
    ...network,
    subnets: network.subnets.map((subnet) => ({
      ...subnet,
      cidr: change(subnet.cidr),
      gateway: change(subnet.gateway ?? ''),
      dhcpAddress: subnet.dhcpAddress === null ? null : change(subnet.dhcpAddress),
    })),
  }
}
