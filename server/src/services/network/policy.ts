import { admin, everyone, nobody, policies, type RenamedPolicies } from '#lib/policy.ts'
import type { Request } from '#lib/http/route.ts'
import type { Network } from './model.ts'

const adminOnly = 'rule:admin_only'
const service = 'rule:service_api'
const ownReader = 'role:reader and rule:owner'
const ownMember = 'role:member and rule:owner'
const networkMember = 'role:member and rule:network_owner'
const networkReader = 'role:reader and rule:network_owner'
const projectReader = `${adminOnly} or (${ownReader})`
const projectMember = `${adminOnly} or (${ownMember})`
const projectManager = `${adminOnly} or (role:manager and rule:owner)`
const groupMember = `${adminOnly} or (role:member and rule:sg_owner)`
const adminOrService = `${adminOnly} or ${service}`
const portOwner = `${adminOrService} or (${ownMember})`
const portNetwork = `${adminOrService} or (${networkMember})`
const portOfShared = `${portNetwork} or rule:shared`
const subnetOwner = `${adminOnly} or (${ownMember}) or (${networkMember})`
const notForAll = `${adminOnly} or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)`

/** What an operator's own rules may be made of. */
const parts = {
  context_is_admin: admin,
  context_is_advsvc: 'role:advsvc',
  // who besides an admin may make something for another project
  context_can_set_project_id: nobody,
  service_api: 'role:service',
  owner: 'project_id:%(project_id)s',
  admin_only: 'rule:context_is_admin',
  admin_or_owner: 'rule:context_is_admin or rule:owner',
  regular_user: everyone,
  default: 'rule:admin_or_owner',
  network_owner: 'project_id:%(network:project_id)s',
  admin_or_network_owner: 'rule:context_is_admin or rule:network_owner',
  admin_owner_or_network_owner: 'rule:owner or rule:admin_or_network_owner',
  sg_owner: 'project_id:%(security_group:project_id)s',
  admin_or_sg_owner: 'rule:context_is_admin or rule:sg_owner',
  admin_owner_or_sg_owner: 'rule:owner or rule:admin_or_sg_owner',
  ext_parent_owner: 'project_id:%(ext_parent:project_id)s',
  admin_or_ext_parent_owner: 'rule:context_is_admin or rule:ext_parent_owner',
  shared: 'field:networks:shared=True',
  external: 'field:networks:router:external=True',
  external_network: 'field:subnets:router:external=True',
  shared_subnetpools: 'field:subnetpools:shared=True',
  shared_address_scopes: 'field:address_scopes:shared=True',
  shared_security_group: 'field:security_groups:shared=True',
  network_device: 'field:port:device_owner=~^network:',
  restrict_wildcard: notForAll,
}

const tagged = (noun: string, read: string, write: string) => ({
  [`get_${noun}:tags`]: read,
  [`update_${noun}:tags`]: write,
  [`delete_${noun}:tags`]: write,
})

// Names and defaults of Neutron's rules (docs.openstack.org/neutron/latest/configuration/policy.html); docs/policy.md tells
// where they differ. What a project may know of is decided by the queries, which show it its own and what is shared with
// it; `get_…` is asked on top of that: for one thing about the thing, for a list about the project that asks.
export const networkPolicies = policies({
  ...parts,
  get_network: `${projectReader} or ${service} or rule:shared or rule:external or rule:context_is_advsvc`,
  'get_network:provider:network_type': adminOnly,
  'get_network:provider:physical_network': adminOnly,
  'get_network:provider:segmentation_id': adminOnly,
  create_network: projectMember,
  'create_network:shared': adminOnly,
  'create_network:router:external': adminOnly,
  'create_network:is_default': adminOnly,
  'create_network:port_security_enabled': projectMember,
  'create_network:provider:network_type': adminOnly,
  'create_network:provider:physical_network': adminOnly,
  'create_network:provider:segmentation_id': adminOnly,
  update_network: projectMember,
  'update_network:shared': adminOnly,
  'update_network:router:external': adminOnly,
  'update_network:is_default': adminOnly,
  'update_network:port_security_enabled': projectMember,
  'update_network:provider:network_type': adminOnly,
  'update_network:provider:physical_network': adminOnly,
  'update_network:provider:segmentation_id': adminOnly,
  delete_network: projectMember,
  ...tagged('network', `${projectReader} or rule:shared or rule:external or rule:context_is_advsvc`, projectMember),

  get_subnet: `${adminOrService} or (${ownReader}) or (${networkReader}) or rule:shared or rule:external_network`,
  create_subnet: `${adminOnly} or (${networkMember})`,
  'create_subnet:service_types': adminOnly,
  update_subnet: subnetOwner,
  'update_subnet:service_types': adminOnly,
  delete_subnet: subnetOwner,
  ...tagged('subnet', `${projectReader} or (${networkReader}) or rule:shared or rule:external_network`, subnetOwner),

  get_subnetpool: `${projectReader} or rule:shared_subnetpools`,
  create_subnetpool: projectMember,
  'create_subnetpool:shared': adminOnly,
  'create_subnetpool:is_default': adminOnly,
  update_subnetpool: projectMember,
  'update_subnetpool:is_default': adminOnly,
  delete_subnetpool: projectMember,
  add_prefixes: projectMember,
  remove_prefixes: projectMember,
  ...tagged('subnetpool', `${projectReader} or rule:shared_subnetpools`, projectMember),

  get_address_scope: `${projectReader} or rule:shared_address_scopes`,
  create_address_scope: projectMember,
  'create_address_scope:shared': adminOnly,
  update_address_scope: projectMember,
  'update_address_scope:shared': adminOnly,
  delete_address_scope: projectMember,

  get_port: `${adminOrService} or (${ownReader}) or (${networkReader})`,
  'get_port:binding:vif_type': adminOrService,
  'get_port:binding:vif_details': adminOrService,
  'get_port:binding:host_id': adminOrService,
  'get_port:binding:profile': adminOrService,
  create_port: `${portNetwork} or (role:member and rule:shared)`,
  'create_port:device_id': portOwner,
  'create_port:device_owner': `not rule:network_device or ${portNetwork}`,
  'create_port:mac_address': portNetwork,
  'create_port:fixed_ips': portOfShared,
  'create_port:fixed_ips:ip_address': portNetwork,
  'create_port:fixed_ips:subnet_id': portOfShared,
  'create_port:port_security_enabled': portNetwork,
  'create_port:binding:host_id': adminOrService,
  'create_port:binding:profile': service,
  'create_port:binding:vnic_type': portOwner,
  'create_port:allowed_address_pairs': portNetwork,
  'create_port:allowed_address_pairs:mac_address': portNetwork,
  'create_port:allowed_address_pairs:ip_address': portNetwork,
  update_port: portOwner,
  'update_port:device_id': portOwner,
  'update_port:device_owner': `not rule:network_device or ${portNetwork}`,
  'update_port:mac_address': `${adminOrService} or (role:manager and rule:network_owner)`,
  'update_port:fixed_ips': portNetwork,
  'update_port:fixed_ips:ip_address': portNetwork,
  'update_port:fixed_ips:subnet_id': portOfShared,
  'update_port:port_security_enabled': portNetwork,
  'update_port:binding:host_id': adminOrService,
  'update_port:binding:profile': service,
  'update_port:binding:vnic_type': portOwner,
  'update_port:allowed_address_pairs': portNetwork,
  'update_port:allowed_address_pairs:mac_address': portNetwork,
  'update_port:allowed_address_pairs:ip_address': portNetwork,
  delete_port: `${portNetwork} or (${ownMember})`,
  'get_port:tags': `${projectReader} or (${networkReader}) or rule:context_is_advsvc`,
  'update_port:tags': `${projectMember} or rule:context_is_advsvc`,
  'delete_port:tags': `${subnetOwner} or rule:context_is_advsvc`,

  get_router: projectReader,
  create_router: projectMember,
  'create_router:external_gateway_info': projectMember,
  'create_router:external_gateway_info:network_id': projectMember,
  'create_router:external_gateway_info:enable_snat': adminOnly,
  'create_router:external_gateway_info:external_fixed_ips': adminOnly,
  update_router: projectMember,
  'update_router:external_gateway_info': projectMember,
  'update_router:external_gateway_info:network_id': projectMember,
  'update_router:external_gateway_info:enable_snat': adminOnly,
  'update_router:external_gateway_info:external_fixed_ips': adminOnly,
  delete_router: projectMember,
  add_router_interface: projectMember,
  remove_router_interface: projectMember,
  add_extraroutes: projectMember,
  remove_extraroutes: projectMember,
  ...tagged('router', projectReader, projectMember),

  get_floatingip: projectReader,
  create_floatingip: projectMember,
  'create_floatingip:floating_ip_address': projectManager,
  update_floatingip: projectMember,
  delete_floatingip: projectMember,
  get_floatingip_pool: projectReader,
  ...tagged('floatingip', projectReader, projectMember),

  get_security_group: `${projectReader} or rule:shared_security_group`,
  create_security_group: projectMember,
  update_security_group: projectMember,
  delete_security_group: projectMember,
  ...tagged('security_group', `${projectReader} or rule:shared_security_group`, projectMember),
  get_security_group_rule: `${adminOnly} or (role:reader and rule:sg_owner) or rule:shared_security_group`,
  create_security_group_rule: groupMember,
  delete_security_group_rule: groupMember,

  get_rbac_policy: projectReader,
  create_rbac_policy: projectMember,
  'create_rbac_policy:target_tenant': notForAll,
  'create_rbac_policy:target_project': notForAll,
  update_rbac_policy: projectMember,
  'update_rbac_policy:target_tenant': notForAll,
  'update_rbac_policy:target_project': notForAll,
  delete_rbac_policy: projectMember,

  get_quota: projectManager,
  update_quota: adminOnly,
  delete_quota: adminOnly,

  get_metering_label: projectReader,
  create_metering_label: projectManager,
  delete_metering_label: projectManager,
  get_metering_label_rule: projectReader,
  create_metering_label_rule: projectManager,
  delete_metering_label_rule: projectManager,

  get_agent: adminOnly,
  update_agent: adminOnly,
  get_network_ip_availability: adminOrService,
  get_availability_zone: 'role:reader',
  get_service_provider: 'role:reader',
})

const taggedNouns = ['network', 'subnet', 'subnetpool', 'port', 'router', 'floatingip', 'security_group']

/** Rules about tags were called after the plural of what is tagged: `update_networks_tags`. */
export const renamedNetworkPolicies: RenamedPolicies = Object.fromEntries(
  taggedNouns.flatMap((noun) =>
    ['get', 'update', 'delete'].map((verb) => [`${verb}_${noun}s_tags`, [`${verb}_${noun}:tags`]]),
  ),
)

export function aboutProject(projectId: string): Record<string, unknown> {
  return { project_id: projectId, tenant_id: projectId }
}

/** What rules are asked about a thing that can be shared; a project sees another's when it is. */
export function aboutShareable(
  { projectId, shared = false }: { projectId: string; shared?: boolean },
  { actor }: Pick<Request, 'actor'>,
): Record<string, unknown> {
  return { ...aboutProject(projectId), shared: shared || projectId !== actor.projectId }
}

/** What rules are asked about something in a network; `shared`: with the project that asks. */
export function aboutNetwork(on: Pick<Network, 'projectId' | 'external'>, shared: boolean): Record<string, unknown> {
  return {
    'network:project_id': on.projectId,
    'network:tenant_id': on.projectId,
    'network:shared': shared,
    'network:router:external': on.external,
    'subnet:router:external': on.external,
  }
}

// What holds if nothing is said: to say it takes no rule.
const usual: Readonly<Record<string, string>> = {
  shared: 'false',
  'router:external': 'false',
  is_default: 'false',
  device_id: '',
  device_owner: '',
  'binding:vnic_type': 'normal',
}

/** Asks the rules that single members of a body have besides the rule of the whole, and members of those members. */
export function requireMembers(
  req: Pick<Request, 'require'>,
  action: string,
  body: Readonly<Record<string, unknown>>,
  about: Record<string, unknown>,
): void {
  const check = (rule: string) => {
    if (Object.hasOwn(networkPolicies, rule)) req.require(rule, about)
  }
  for (const [key, value] of Object.entries(body)) {
    if (value === undefined) continue
    if (action.startsWith('create_') && String(value ?? '').toLowerCase() === usual[key]) continue
    check(`${action}:${key}`)
    const inner = Array.isArray(value) ? value : [value]
    for (const each of inner)
      if (typeof each === 'object' && each !== null)
        for (const [name, said] of Object.entries(each)) if (said != null) check(`${action}:${key}:${name}`)
  }
}
