import { admin, everyone, policies, projectMember, projectReader } from '#lib/policy.ts'

const networkOwner = 'project_id:%(network:project_id)s'
const adminOrNetworkOwner = `role:admin or (role:member and ${networkOwner})`

// Names and defaults of Neutron's rules (docs.openstack.org/neutron/latest/configuration/policy.html). What a project may
// know of is decided by the queries, which show it its own and what is shared with it; `get_…` is asked on top of that.
export const networkPolicies = policies({
  context_is_admin: admin,
  get_network: everyone,
  'get_network:router:external': everyone,
  'get_network:segments': admin,
  'get_network:provider:network_type': admin,
  'get_network:provider:physical_network': admin,
  'get_network:provider:segmentation_id': admin,
  create_network: projectMember,
  'create_network:shared': admin,
  'create_network:router:external': admin,
  'create_network:is_default': admin,
  'create_network:port_security_enabled': projectMember,
  'create_network:provider:network_type': admin,
  'create_network:provider:physical_network': admin,
  'create_network:provider:segmentation_id': admin,
  update_network: projectMember,
  'update_network:shared': admin,
  'update_network:router:external': admin,
  'update_network:is_default': admin,
  'update_network:provider:network_type': admin,
  'update_network:provider:physical_network': admin,
  'update_network:provider:segmentation_id': admin,
  delete_network: projectMember,

  get_subnet: everyone,
  create_subnet: `role:admin or (role:member and project_id:%(project_id)s and ${networkOwner})`,
  'create_subnet:service_types': admin,
  update_subnet: `role:admin or (role:member and (project_id:%(project_id)s or ${networkOwner}))`,
  'update_subnet:service_types': admin,
  delete_subnet: `role:admin or (role:member and (project_id:%(project_id)s or ${networkOwner}))`,

  get_subnetpool: everyone,
  create_subnetpool: projectMember,
  'create_subnetpool:shared': admin,
  'create_subnetpool:is_default': admin,
  update_subnetpool: projectMember,
  'update_subnetpool:shared': admin,
  'update_subnetpool:is_default': admin,
  delete_subnetpool: projectMember,
  add_prefixes: projectMember,
  remove_prefixes: projectMember,

  get_address_scope: everyone,
  create_address_scope: projectMember,
  'create_address_scope:shared': admin,
  update_address_scope: projectMember,
  'update_address_scope:shared': admin,
  delete_address_scope: projectMember,

  get_port: `role:admin or (role:reader and (project_id:%(project_id)s or ${networkOwner}))`,
  'get_port:binding:vif_type': admin,
  'get_port:binding:vif_details': admin,
  'get_port:binding:host_id': admin,
  'get_port:binding:profile': admin,
  create_port: projectMember,
  'create_port:device_owner': `'False':%(device_owner_is_network)s or ${adminOrNetworkOwner}`,
  'create_port:mac_address': adminOrNetworkOwner,
  'create_port:fixed_ips:ip_address': adminOrNetworkOwner,
  'create_port:fixed_ips:subnet_id': `${adminOrNetworkOwner} or 'True':%(network:shared)s`,
  'create_port:port_security_enabled': adminOrNetworkOwner,
  'create_port:binding:host_id': admin,
  'create_port:binding:profile': admin,
  'create_port:allowed_address_pairs': adminOrNetworkOwner,
  update_port: projectMember,
  'update_port:device_owner': `'False':%(device_owner_is_network)s or ${adminOrNetworkOwner}`,
  'update_port:mac_address': admin,
  'update_port:fixed_ips:ip_address': adminOrNetworkOwner,
  'update_port:fixed_ips:subnet_id': `${adminOrNetworkOwner} or 'True':%(network:shared)s`,
  'update_port:port_security_enabled': adminOrNetworkOwner,
  'update_port:binding:host_id': admin,
  'update_port:binding:profile': admin,
  'update_port:allowed_address_pairs': adminOrNetworkOwner,
  delete_port: `role:admin or (role:member and (project_id:%(project_id)s or ${networkOwner}))`,

  get_router: projectReader,
  create_router: projectMember,
  'create_router:external_gateway_info:enable_snat': admin,
  'create_router:external_gateway_info:external_fixed_ips': admin,
  update_router: projectMember,
  'update_router:external_gateway_info:enable_snat': admin,
  'update_router:external_gateway_info:external_fixed_ips': admin,
  delete_router: projectMember,
  add_router_interface: projectMember,
  remove_router_interface: projectMember,
  add_extraroutes: projectMember,
  remove_extraroutes: projectMember,

  get_floatingip: projectReader,
  create_floatingip: projectMember,
  'create_floatingip:floating_ip_address': admin,
  update_floatingip: projectMember,
  delete_floatingip: projectMember,
  get_floatingip_pool: everyone,

  get_security_group: everyone,
  create_security_group: projectMember,
  update_security_group: projectMember,
  delete_security_group: projectMember,
  get_security_group_rule: everyone,
  create_security_group_rule: projectMember,
  delete_security_group_rule: projectMember,

  get_rbac_policy: projectReader,
  create_rbac_policy: projectMember,
  'create_rbac_policy:target_tenant': "role:admin or 'False':%(target_is_all)s",
  update_rbac_policy: projectMember,
  'update_rbac_policy:target_tenant': "role:admin or 'False':%(target_is_all)s",
  delete_rbac_policy: projectMember,

  get_quota: admin,
  update_quota: admin,
  delete_quota: admin,

  get_metering_label: admin,
  create_metering_label: admin,
  delete_metering_label: admin,
  get_metering_label_rule: admin,
  create_metering_label_rule: admin,
  delete_metering_label_rule: admin,

  get_agent: admin,
  update_agent: admin,
  get_network_ip_availability: admin,
  get_availability_zone: everyone,
  get_service_provider: everyone,
})

/** The rules that single members of a body need besides the rule of the whole. Calls `require` for each. */
export function requireMembers(
  require: (rule: string) => void,
  action: string,
  body: Readonly<Record<string, unknown>>,
): void {
  for (const [key, value] of Object.entries(body)) {
    if (value === undefined) continue
    const rule = `${action}:${key}`
    if (Object.hasOwn(networkPolicies, rule)) require(rule)
  }
}
