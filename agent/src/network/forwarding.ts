// Who is behind the tunnel: static forwarding entries and neighbours, so that nothing has to be learnt by flooding.
// Pure: what is and what should be go in, lines for `bridge -batch` and `ip -batch` come out.
import type { NetworkSpec, PortSpec } from '@pileus/contract/agent.ts'
import { canonical, canonicalMac, versionOf } from './address.ts'
import { suppressesNeighbours } from './links.ts'
import { bridgeName, vxlanName } from './names.ts'
import type { ForwardingEntry, Neighbour } from './read.ts'

const ipv6MinimumMtu = 1280 // below it a link has no IPv6 (RFC 8200, 5)
const everyMac = '00:00:00:00:00:00' // the entry for frames with no other entry, broadcasts among them

/** Lines for `bridge -batch`. The network must be a VXLAN one. */
export function planForwarding(network: NetworkSpec, now: readonly ForwardingEntry[]): string[] {
  const link = vxlanName(network.id)
  const remote = remotePorts(network)
  const mine = now.filter((entry) => entry.link === link)
  const lines: string[] = []

  const peers = new Set(remote.map((port) => canonical(port.tunnelAddress)))
  const flooded = new Set(mine.filter((e) => e.mac === everyMac).flatMap((e) => e.peer ?? []))
  for (const peer of flooded.difference(peers)) lines.push(`fdb del ${everyMac} dev ${link} dst ${peer} self`)
  for (const peer of peers.difference(flooded)) {
    lines.push(`fdb append ${everyMac} dev ${link} dst ${peer} self permanent`)
  }

  const wanted = new Map(remote.map((port) => [canonicalMac(port.mac), canonical(port.tunnelAddress)]))
  const tunnelled = new Map(
    mine.filter((e) => e.peer !== undefined && e.mac !== everyMac).map((e) => [e.mac, e.peer ?? '']),
  )
  const bridged = new Set(mine.filter((e) => e.ofBridge && e.state === 'static').map((e) => e.mac))
  for (const [mac, peer] of tunnelled) {
    if (wanted.get(mac) !== peer) lines.push(`fdb del ${mac} dev ${link} dst ${peer} self`)
  }
  for (const mac of bridged) if (!wanted.has(mac)) lines.push(`fdb del ${mac} dev ${link} master`)
  for (const [mac, peer] of wanted) {
    if (tunnelled.get(mac) !== peer) lines.push(`fdb append ${mac} dev ${link} dst ${peer} self permanent`)
    if (!bridged.has(mac)) lines.push(`fdb replace ${mac} dev ${link} master static`)
  }
  return lines
}

/** Lines for `ip -batch`: the addresses that the bridge answers for. */
export function planNeighbours(network: NetworkSpec, ports: readonly PortSpec[], now: readonly Neighbour[]): string[] {
  const link = bridgeName(network.id)
  const wanted = new Map<string, string>()
  if (network.kind === 'vxlan' && suppressesNeighbours(ports)) {
    for (const port of remotePorts(network)) {
      for (const address of port.addresses.map(canonical)) {
        if (versionOf(address) === 6 && network.mtu < ipv6MinimumMtu) continue
        wanted.set(address, canonicalMac(port.mac))
      }
    }
  }
  const present = new Map(now.filter((n) => n.link === link).map((n) => [n.address, n.mac]))
  const lines: string[] = []
  for (const address of present.keys()) if (!wanted.has(address)) lines.push(`neigh del ${address} dev ${link}`)
  for (const [address, mac] of wanted) {
    if (present.get(address) !== mac) lines.push(`neigh replace ${address} lladdr ${mac} dev ${link} nud permanent`)
  }
  return lines
}

/** The DHCP server has the same MAC on every host; a remote one must never be heard of. */
function remotePorts(network: NetworkSpec): NetworkSpec['remote'] {
  const own = canonicalMac(network.dhcpMac)
  return network.remote.filter((port) => canonicalMac(port.mac) !== own)
}
