// What a rule may say: pure checks, with Neutron's error names.
import { conflict, invalid } from '#lib/fault.ts'
import { parseCidr } from '../addresses.ts'
import type { SecurityGroupRule } from '../model.ts'
import { protocolNumber } from './protocols.ts'

export interface RuleAsked {
  direction: 'ingress' | 'egress'
  etherType: string | undefined
  protocol: string | null
  portMin: number | null
  portMax: number | null
  remoteCidr: string | null
  remoteGroupId: string | null
}
export type RuleRead = Pick<
  SecurityGroupRule,
  'direction' | 'etherType' | 'protocol' | 'portMin' | 'portMax' | 'remoteCidr' | 'remoteGroupId'
>

const withPorts = new Set([6, 17, 33, 132, 136])
const icmp = new Set([1, 58])
const ipv6Only = new Set([41, 43, 44, 58, 59, 60])

/** Throws invalid. */
export function readRule(asked: RuleAsked): RuleRead {
  const { direction, remoteCidr, remoteGroupId, portMin, portMax } = asked
  const etherType = readEtherType(asked.etherType)
  const protocol = readProtocol(asked.protocol)
  if (remoteCidr !== null && remoteGroupId !== null)
    invalid('Only remote_ip_prefix or remote_group_id may be provided.', {
      code: 'SecurityGroupMultipleRemoteEntites',
    })
  if (remoteCidr !== null) {
    const cidr = parseCidr(remoteCidr)
    if (!cidr) invalid(`'${remoteCidr}' is not a valid CIDR.`, { code: 'InvalidInput' })
    else if ((cidr.version === 4) !== (etherType === 'IPv4'))
      invalid(`Conflicting value ethertype ${etherType} for CIDR ${remoteCidr}`, {
        code: 'SecurityGroupRuleParameterConflict',
      })
  }
  const number = protocol === null ? null : protocolNumber(protocol, etherType)!
  if (number !== null && etherType === 'IPv4' && ipv6Only.has(number))
    invalid(`Invalid ethertype ${etherType} for protocol ${protocol}.`, {
      code: 'SecurityGroupEthertypeConflictWithProtocol',
    })
  requirePorts(number, protocol, portMin, portMax)
  return { direction, etherType, protocol, portMin, portMax, remoteCidr, remoteGroupId }
}

function readEtherType(text: string | undefined): 'IPv4' | 'IPv6' {
  const lower = (text ?? 'IPv4').toLowerCase()
  if (lower === 'ipv4') return 'IPv4'
  if (lower === 'ipv6') return 'IPv6'
  return invalid(`Security group rule for ethertype '${text}' not supported. Allowed values are IPv4 and IPv6.`, {
    code: 'SecurityGroupRuleInvalidEtherType',
  })
}

function readProtocol(text: string | null): string | null {
  if (text === null || text === '' || text.toLowerCase() === 'any') return null
  const protocol = text.toLowerCase()
  if (protocolNumber(protocol, 'IPv4') === undefined)
    invalid(
      `Security group rule protocol ${text} not supported. Only a name of a protocol or a number from 0 to 255 is.`,
      {
        code: 'SecurityGroupRuleInvalidProtocol',
      },
    )
  return protocol
}

function requirePorts(number: number | null, protocol: string | null, min: number | null, max: number | null): void {
  if (min === null && max === null) return
  if (number === null)
    return invalid('Must also specify protocol if port range is given.', {
      code: 'SecurityGroupProtocolRequiredWithPorts',
    })
  if (withPorts.has(number)) {
    for (const port of [min, max])
      if (port !== null && (port < 0 || port > 65_535))
        invalid(`Invalid value for port ${port}: it must be between 0 and 65535.`, {
          code: 'SecurityGroupInvalidPortValue',
        })
    if (min === null || max === null || min > max || min === 0)
      invalid('For TCP/UDP protocols, port_range_min must be <= port_range_max, and neither may be 0.', {
        code: 'SecurityGroupInvalidPortRange',
      })
  } else if (icmp.has(number)) {
    for (const [field, value] of [
      ['type (port-range-min)', min],
      ['code (port-range-max)', max],
    ] as const)
      if (value !== null && (value < 0 || value > 255))
        invalid(`Invalid value for ICMP ${field} ${value}: it must be between 0 and 255.`, {
          code: 'SecurityGroupInvalidIcmpValue',
        })
    if (min === null)
      invalid(`ICMP code (port-range-max) ${max} is provided but ICMP type (port-range-min) is missing.`, {
        code: 'SecurityGroupMissingIcmpType',
      })
  } else
    invalid(
      `Invalid port range specified for protocol ${protocol}: only TCP, UDP, UDPLITE, SCTP, DCCP and ICMP have them.`,
      {
        code: 'SecurityGroupInvalidProtocolForPort',
      },
    )
}

export function ruleExists(): never {
  return conflict('Security group rule already exists: a rule with the same values is there.', {
    code: 'SecurityGroupRuleExists',
  })
}
