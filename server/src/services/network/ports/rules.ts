// What a port may say of itself: pure checks, with Neutron's error names.
import { conflict, invalid } from '#lib/fault.ts'
import { canonicalMac, formatCidr, parseCidr } from '../addresses.ts'
import type { AddressPair, DhcpOption } from '../model.ts'

export function readMac(text: string): string {
  const mac = canonicalMac(text)
  if (mac === undefined || mac === '00:00:00:00:00:00')
    return invalid(`'${text}' is not a valid MAC address.`, { code: 'InvalidInput' })
  return mac
}

/** `''` stands for the port's own MAC address, so that it follows a change of it. */
export function readPairs(
  pairs: readonly { ip_address: string; mac_address?: string | null | undefined }[],
): AddressPair[] {
  const read = pairs.map(({ ip_address: text, mac_address: mac }) => {
    const cidr = parseCidr(text)
    if (!cidr)
      return invalid(`'${text}' is not a valid IP address or CIDR of an allowed address pair.`, {
        code: 'InvalidInput',
      })
    return { mac: mac == null || mac === '' ? '' : readMac(mac), cidr: text.includes('/') ? formatCidr(cidr) : text }
  })
  if (new Set(read.map(({ mac, cidr }) => `${mac} ${cidr}`)).size !== read.length)
    invalid('Request contains duplicate address pairs.', { code: 'DuplicateAddressPairInRequest' })
  if (read.length > 10)
    invalid('The number of allowed address pairs exceeds the maximum 10.', { code: 'AllowedAddressPairExhausted' })
  return read
}

interface OptionAsked {
  opt_name: string
  opt_value?: string | null | undefined
  ip_version?: 4 | 6 | '4' | '6' | undefined
}
/** The options after a request: named ones are set, those with the value null taken away, the others stay. */
export function readDhcpOptions(options: readonly OptionAsked[], before: readonly DhcpOption[] = []): DhcpOption[] {
  const after = new Map(before.map((each) => [`${each.version} ${each.name}`, each]))
  const named = new Set<string>()
  for (const { opt_name: name, opt_value: value, ip_version: of = 4 } of options) {
    const version = Number(of) === 6 ? 6 : 4
    const key = `${version} ${name}`
    if (named.has(key)) invalid(`The DHCP option ${name} is there twice.`, { code: 'InvalidInput' })
    named.add(key)
    if (/[\n\r,]/.test(name) || /[\n\r]/.test(value ?? ''))
      invalid(`The DHCP option ${name} has a forbidden character.`, { code: 'InvalidInput' })
    if (value == null) after.delete(key)
    else after.set(key, { name, value, version })
  }
  return [...after.values()]
}

const label = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/
/** A DNS name of one or more labels; a dot at the end makes it whole. Lower case, as Neutron keeps it. */
export function readDnsName(text: string): string {
  if (text === '') return ''
  const labels = text.replace(/\.$/, '').split('.')
  if (!labels.every((each) => label.test(each)))
    invalid(`Invalid input for dns_name: '${text}' is not a valid PQDN or FQDN.`, { code: 'InvalidInput' })
  return text.toLowerCase()
}

export function requireNoSecurity(
  portSecurity: boolean,
  groups: readonly string[] | undefined,
  pairs: readonly AddressPair[] | undefined,
): void {
  if (portSecurity) return
  if (groups && groups.length > 0)
    conflict('Port security must be enabled in order to have security groups on a port.', {
      code: 'PortSecurityPortHasSecurityGroup',
    })
  if (pairs && pairs.length > 0)
    conflict('Port Security must be enabled in order to have allowed address pairs on a port.', {
      code: 'AddressPairAndPortSecurityRequired',
    })
}

const vnicTypes = [
  'normal',
  'direct',
  'macvtap',
  'direct-physical',
  'baremetal',
  'virtio-forwarder',
  'smart-nic',
  'vdpa',
]
export function readVnicType(text: string): string {
  if (!vnicTypes.includes(text)) invalid(`'${text}' is not in ${vnicTypes.join(', ')}.`, { code: 'InvalidInput' })
  if (text !== 'normal') invalid(`The VNIC type ${text} is not supported: it can be normal.`, { code: 'InvalidInput' })
  return text
}
