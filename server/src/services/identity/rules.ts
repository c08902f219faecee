// What Keystone's default rules are made of (docs.openstack.org/keystone, "Default Roles" and policy reference): admin may
// do everything; readers of the system see everything; readers and managers of a domain act within it.
export const adminRequired = 'rule:admin_required'
export const systemReader = 'role:reader and system_scope:all'
export const adminOrSystemReader = `rule:admin_required or (${systemReader})`
export const domainReader = 'role:reader and domain_id:%(target.domain_id)s'
/** Everyone with a token. */
export const anyone = ''

/** Rules for the names, as 'identity:<name>'. */
export function rulesFor(rule: string, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`identity:${name}`, rule]))
}
