import { and, eq, inArray, or, type SQL, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import { canonical } from '../addresses.ts'
import { port } from '../model.ts'
import { type Filters, standardFilters } from '../rest/filters.ts'

/** The project's own ports, and all of the networks that it owns. */
export function portsFor(projectId: string): SQL {
  return or(
    eq(port.projectId, projectId),
    sql`exists (select 1 from network n where n.id = ${port.networkId} and n.project_id = ${projectId})`,
  )!
}

const nothing = sql`false`

/** `fixed_ips=ip_address=10.0.0.5`, `subnet_id=…`, `ip_address_substr=…`: one of each kind named. */
function byFixedIps(values: string[]): SQL {
  const byKind = Map.groupBy(
    values.flatMap((value) => value.split(',')),
    (value) => value.slice(0, value.indexOf('=')),
  )
  const conditions = [...byKind].map(([kind, all]) => {
    const wanted = all.map((value) => value.slice(value.indexOf('=') + 1))
    const such = allocationsLike(kind, wanted)
    return such && sql`exists (select 1 from ip_allocation a where a.port_id = ${port.id} and ${such})`
  })
  return and(...conditions.map((each) => each ?? nothing)) ?? nothing
}

function allocationsLike(kind: string, wanted: readonly string[]): SQL | undefined {
  if (kind === 'ip_address') {
    const addresses = wanted.flatMap((each) => canonical(each) ?? [])
    return addresses.length > 0 ? sql`a.address = any(${`{${addresses.join()}}`}::inet[])` : undefined
  }
  if (kind === 'subnet_id') {
    const ids = wanted.filter(isUuid)
    return ids.length > 0 ? sql`a.subnet_id in ${ids}` : undefined
  }
  if (kind === 'ip_address_substr')
    return or(...wanted.map((each) => sql`host(a.address) like ${`%${each.replaceAll(/[%_\\]/g, '\\$&')}%`}`))
  return invalid(`'${kind}' is not an attribute of fixed_ips: it can be ip_address, subnet_id or ip_address_substr.`, {
    code: 'InvalidInput',
  })
}

export const portFilters: Filters = {
  ...standardFilters(port),
  network_id: port.networkId,
  admin_state_up: port.adminUp,
  mac_address: (values) =>
    inArray(
      port.mac,
      values.map((value) => value.toLowerCase()),
    ),
  device_id: port.deviceId,
  device_owner: port.deviceOwner,
  dns_name: port.dnsName,
  dns_domain: port.dnsDomain,
  port_security_enabled: port.portSecurity,
  'binding:host_id': port.host,
  'binding:vnic_type': port.vnicType,
  'binding:vif_type': (values) => sql`(case when ${port.host} = '' then 'unbound' else 'bridge' end) in ${values}`,
  ip_allocation: (values) =>
    sql`(case when exists (select 1 from ip_allocation a where a.port_id = ${port.id}) then 'immediate' else 'none' end)
      in ${values}`,
  status: (values) =>
    sql`(case when ${port.deviceOwner} = 'network:floatingip' then 'N/A'
      when ${port.wired} and ${port.adminUp} then 'ACTIVE' else 'DOWN' end) in ${values}`,
  fixed_ips: byFixedIps,
  security_groups: (values) => {
    const ids = values.flatMap((value) => value.split(',')).filter(isUuid)
    return ids.length > 0 ? sql`${port.securityGroupIds} && ${`{${ids.join()}}`}::uuid[]` : nothing
  },
}
