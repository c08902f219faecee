// Which open connections have lost their permission: arguments for `conntrack -D`. Pure.
import type { HostNetwork, PortSpec, RouterSpec, SecurityRule } from '@pileus/contract/agent.ts'
import { canonical, versionOf } from './address.ts'
import { membersOf, portRange, protocolNumber } from './filter.ts'

type Command = string[]

/** Cuts in the data-plane namespace, after the new filter is in force. `zones` must know the old networks as well. */
export function cutConnections(before: HostNetwork, after: HostNetwork, zones: ReadonlyMap<string, number>): Command[] {
  const now = new Map(after.ports.map((port) => [port.id, port]))
  const inhabited = new Set(after.ports.map((port) => port.networkId))
  const commands = before.ports.flatMap((old) => {
    const zone = zones.get(old.networkId)
    if (zone === undefined) return []
    // Each command walks the kernel's whole table, so a network that has lost all its ports costs one, not four a port.
    if (!inhabited.has(old.networkId)) return [['-D', '-w', String(zone)]]
    const port = now.get(old.id)
    const kept = port?.networkId === old.networkId ? addressesOf(port) : []
    const gone = addressesOf(old).filter((address) => !kept.includes(address))
    const all = gone.flatMap((address) => everythingOf(zone, address))
    if (port === undefined || !port.secured || kept.length === 0) return all
    if (!old.secured) return [...all, ...kept.flatMap((address) => everythingOf(zone, address))]
    return [...all, ...kept.flatMap((address) => lostRules(before, after, old, port, zone, address))]
  })
  return unique(commands)
}

/** Cuts in a router's namespace: connections by floating IPs that are no more, or that now lead elsewhere. */
export function cutFloatingIps(before: RouterSpec, after: RouterSpec): Command[] {
  const now = new Map(after.floatingIps.map((pair) => [pair.floating, pair.fixed]))
  const lost = before.floatingIps.filter((pair) => now.get(pair.floating) !== pair.fixed)
  return unique(
    lost.flatMap(({ floating }) => [
      ['-D', '-d', floating],
      ['-D', '-q', floating],
    ]),
  )
}

const addressesOf = (port: PortSpec): string[] => port.addresses.map(({ address }) => canonical(address))

const scope = (zone: number, version: 4 | 6): Command => ['-D', '-w', String(zone), '-f', `ipv${version}`]

function everythingOf(zone: number, address: string): Command[] {
  const start = scope(zone, versionOf(address))
  return [
    [...start, '-s', address],
    [...start, '-d', address],
  ]
}

function lostRules(
  before: HostNetwork,
  after: HostNetwork,
  old: PortSpec,
  port: PortSpec,
  zone: number,
  address: string,
): Command[] {
  const kept = new Set(port.rules.map((rule) => JSON.stringify(rule)))
  return old.rules
    .filter((rule) => rule.version === versionOf(address))
    .flatMap((rule) => {
      if (!kept.has(JSON.stringify(rule))) return [cut(rule, zone, address, rule.remoteCidr)]
      if (rule.remoteGroup === null) return []
      const members = membersOf(after, rule.remoteGroup, rule.version)
      const lost = membersOf(before, rule.remoteGroup, rule.version).filter((member) => !members.includes(member))
      return lost.map((member) => cut(rule, zone, address, member))
    })
}

const protocolNames: Record<number, string> = { 6: 'tcp', 17: 'udp', 33: 'dccp', 132: 'sctp', 136: 'udplite' }

/** Narrowed by what the tool can say; a connection that another rule still allows is picked up again mid-stream. */
function cut(rule: SecurityRule, zone: number, address: string, other: string | null): Command {
  const [mine, theirs] = rule.direction === 'ingress' ? ['-d', '-s'] : ['-s', '-d']
  const command = [...scope(zone, rule.version), mine, address]
  if (other !== null && !other.endsWith('/0')) command.push(theirs, other)
  const protocol = protocolNumber(rule)
  if (protocol !== null) command.push('-p', protocolNames[protocol] ?? String(protocol))
  const range = portRange(rule)
  if (range !== undefined && range.from === range.to) command.push('--dport', String(range.from))
  return command
}

function unique(commands: readonly Command[]): Command[] {
  return [...new Map(commands.map((command) => [command.join(' '), command])).values()]
}
