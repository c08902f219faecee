// What version 2.0 called extensions; in 2.1 all of them are there, and some clients still look.
import { notFound } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'

const aliases: Readonly<Record<string, string>> = {
  'os-admin-actions': 'AdminActions',
  'os-aggregates': 'Aggregates',
  'os-attach-interfaces': 'AttachInterfaces',
  'os-availability-zone': 'AvailabilityZone',
  'os-config-drive': 'ConfigDrive',
  'os-console-output': 'ConsoleOutput',
  'OS-DCF': 'DiskConfig',
  'OS-EXT-AZ': 'ExtendedAvailabilityZone',
  'OS-EXT-IPS': 'ExtendedIps',
  'OS-EXT-IPS-MAC': 'ExtendedIpsMac',
  'OS-EXT-SRV-ATTR': 'ExtendedServerAttributes',
  'OS-EXT-STS': 'ExtendedStatus',
  'os-flavor-access': 'FlavorAccess',
  'os-flavor-extra-specs': 'FlavorExtraSpecs',
  'os-flavor-manage': 'FlavorManage',
  'OS-FLV-DISABLED': 'FlavorDisabled',
  'OS-FLV-EXT-DATA': 'FlavorExtraData',
  'os-hosts': 'Hosts',
  'os-hypervisors': 'Hypervisors',
  'os-instance-actions': 'InstanceActions',
  'os-keypairs': 'Keypairs',
  'os-lock-server': 'LockServer',
  'os-migrations': 'Migrations',
  'os-multiple-create': 'MultipleCreate',
  'os-pause-server': 'PauseServer',
  'os-quota-sets': 'Quotas',
  'os-quota-class-sets': 'QuotaClasses',
  'OS-SCH-HNT': 'SchedulerHints',
  'os-server-diagnostics': 'ServerDiagnostics',
  'os-server-groups': 'ServerGroups',
  'os-server-password': 'ServerPassword',
  'os-services': 'Services',
  'os-simple-tenant-usage': 'SimpleTenantUsage',
  'OS-SRV-USG': 'ServerUsage',
  'os-suspend-server': 'SuspendServer',
  'os-used-limits': 'UsedLimits',
  'os-user-data': 'UserData',
}
const shown = (alias: string, name: string) => ({
  alias,
  name,
  description: `${name} are part of this API.`,
  links: [],
  namespace: 'http://docs.openstack.org/compute/ext/fake_xml',
  updated: '2014-12-03T00:00:00Z',
})

export const extensionRoutes = [
  route({
    method: 'GET',
    path: '/extensions',
    policy: 'os_compute_api:extensions',
    handle: async () => ({ extensions: Object.entries(aliases).map(([alias, name]) => shown(alias, name)) }),
  }),
  route({
    method: 'GET',
    path: '/extensions/:alias',
    policy: 'os_compute_api:extensions',
    async handle({ params }) {
      const name = aliases[params['alias']!] ?? notFound('Extension', params['alias']!)
      return { extension: shown(params['alias']!, name) }
    },
  }),
]
