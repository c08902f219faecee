// Quota sets, the classes of their defaults, and limits as users see them.
import { Type } from 'typebox'
import { invalid, overQuota } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { Bool, strict, truth, until } from '#lib/http/schema.ts'
import { parseVersion, type Version } from '#lib/microversion.ts'
import { clearQuota, quotaLimits, quotaUse, setQuota } from '#lib/quota.ts'
import { Count, toCount } from '../wire.ts'
import { computeQuotas } from './resources.ts'

const networkGone = parseVersion('2.36')
const filesGone = parseVersion('2.57')
/** Networks have quotas of their own; below 2.36 compute still names them, without a limit. */
const networkNames = ['fixed_ips', 'floating_ips', 'networks', 'security_group_rules', 'security_groups']
const fileNames = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes']

const gone = (name: string, version: Version) =>
  (networkNames.includes(name) && version >= networkGone) || (fileNames.includes(name) && version >= filesGone)

const NetworkCount = Type.Optional(until('2.35', Count))
const FileCount = Type.Optional(until('2.56', Count))
const resources = {
  instances: Type.Optional(Count),
  cores: Type.Optional(Count),
  ram: Type.Optional(Count),
  metadata_items: Type.Optional(Count),
  key_pairs: Type.Optional(Count),
  server_groups: Type.Optional(Count),
  server_group_members: Type.Optional(Count),
  fixed_ips: NetworkCount,
  floating_ips: NetworkCount,
  networks: NetworkCount,
  security_groups: NetworkCount,
  security_group_rules: NetworkCount,
  injected_files: FileCount,
  injected_file_content_bytes: FileCount,
  injected_file_path_bytes: FileCount,
}
const UpdateQuota = strict({ quota_set: strict({ ...resources, force: Type.Optional(Bool) }) })
const UpdateClass = strict({ quota_class_set: strict(resources) })

/** The limits that this version shows, by Nova's names. */
function limitsShown(limits: Record<string, number>, version: Version): Record<string, number> {
  const shown: Record<string, number> = {}
  for (const name of Object.keys(computeQuotas)) if (!gone(name, version)) shown[name] = limits[name] ?? -1
  for (const name of networkNames) if (!gone(name, version) && name !== 'networks') shown[name] = -1
  return shown
}

type Asked = Pick<Request, 'region' | 'params' | 'db' | 'version'>
const scopeOf = ({ region, params }: Pick<Asked, 'region' | 'params'>) => ({
  service: 'compute',
  region,
  projectId: params['project']!,
})
const ofProject = (_target: unknown, { params }: Pick<Request, 'params'>) => ({ project_id: params['project'] })
const here = async () => undefined

/** What to set: the amounts that are compute's own. Throws invalid. */
function amounts(given: Record<string, unknown>): Record<string, number> {
  const set: Record<string, number> = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === 'force') continue
    const amount = toCount(value as number | string, `quota_set.${name}`, -1)
    if (name in computeQuotas) set[name] = amount
  }
  return set
}

async function detail(req: Asked) {
  const scope = scopeOf(req)
  const limits = limitsShown(await quotaLimits(req.db, scope), req.version)
  const use = await quotaUse(req.db, scope)
  return Object.fromEntries(
    Object.entries(limits).map(([name, limit]) => [name, { limit, in_use: use[name] ?? 0, reserved: 0 }]),
  )
}

const absolute: readonly [shown: string, name: string, until?: string][] = [
  ['maxTotalInstances', 'instances'],
  ['maxTotalCores', 'cores'],
  ['maxTotalRAMSize', 'ram'],
  ['maxTotalKeypairs', 'key_pairs'],
  ['maxServerMeta', 'metadata_items'],
  ['maxServerGroups', 'server_groups'],
  ['maxServerGroupMembers', 'server_group_members'],
  ['maxImageMeta', 'metadata_items', '2.38'],
  ['maxPersonality', 'injected_files', '2.56'],
  ['maxPersonalitySize', 'injected_file_content_bytes', '2.56'],
  ['maxTotalFloatingIps', 'floating_ips', '2.35'],
  ['maxSecurityGroups', 'security_groups', '2.35'],
  ['maxSecurityGroupRules', 'security_group_rules', '2.35'],
]
const used: readonly [shown: string, name: string, until?: string][] = [
  ['totalInstancesUsed', 'instances'],
  ['totalCoresUsed', 'cores'],
  ['totalRAMUsed', 'ram'],
  ['totalServerGroupsUsed', 'server_groups'],
  ['totalFloatingIpsUsed', 'floating_ips', '2.35'],
  ['totalSecurityGroupsUsed', 'security_groups', '2.35'],
]

export const quotaRoutes = [
  route({
    method: 'GET',
    path: '/limits',
    policy: 'os_compute_api:limits',
    async handle(req) {
      const { db, region, query, actor, version } = req
      const other = one(query, 'tenant_id')
      if (other !== undefined && other !== actor.projectId) req.require('os_compute_api:limits:other_project')
      const scope = { service: 'compute', region, projectId: other ?? actor.projectId ?? '' }
      const limits = await quotaLimits(db, scope)
      const use = await quotaUse(db, scope)
      const there = ([, , last]: readonly [string, string, string?]) =>
        last === undefined || version <= parseVersion(last)
      return {
        limits: {
          rate: [],
          absolute: Object.fromEntries([
            ...absolute.filter(there).map(([shown, name]) => [shown, limits[name] ?? -1]),
            ...used.filter(there).map(([shown, name]) => [shown, use[name] ?? 0]),
          ]) as Record<string, number>,
        },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/:project',
    policy: 'os_compute_api:os-quota-sets:show',
    target: here,
    policyTarget: ofProject,
    async handle(req) {
      const limits = await quotaLimits(req.db, scopeOf(req))
      return { quota_set: { id: req.params['project'], ...limitsShown(limits, req.version) } }
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/:project/detail',
    policy: 'os_compute_api:os-quota-sets:detail',
    target: here,
    policyTarget: ofProject,
    handle: async (req) => ({ quota_set: { id: req.params['project'], ...(await detail(req)) } }),
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/:project/defaults',
    policy: 'os_compute_api:os-quota-sets:defaults',
    async handle(req) {
      const limits = await quotaLimits(req.db, { ...scopeOf(req), projectId: '' })
      return { quota_set: { id: req.params['project'], ...limitsShown(limits, req.version) } }
    },
  }),
  route({
    method: 'PUT',
    path: '/os-quota-sets/:project',
    policy: 'os_compute_api:os-quota-sets:update',
    body: UpdateQuota,
    target: here,
    policyTarget: ofProject,
    async handle(req) {
      const scope = scopeOf(req)
      const { force = false } = req.body.quota_set
      const set = amounts(req.body.quota_set)
      const limits = await req.db.transaction(async (tx) => {
        if (!truth(force)) {
          const use = await quotaUse(tx, scope)
          for (const [name, limit] of Object.entries(set))
            if (limit >= 0 && limit < (use[name] ?? 0))
              invalid(
                `Quota limit ${limit} for ${name} must be greater than or equal to already used and reserved ${use[name]}.`,
              )
        }
        await setQuota(tx, scope, set)
        return quotaLimits(tx, scope)
      })
      return { quota_set: limitsShown(limits, req.version) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-quota-sets/:project',
    policy: 'os_compute_api:os-quota-sets:delete',
    target: here,
    policyTarget: ofProject,
    async handle(req) {
      if (scopeOf(req).projectId === '') overQuota('A project is required.')
      await req.db.transaction((tx) => clearQuota(tx, scopeOf(req)))
      return reply({ status: 202 })
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-class-sets/:class',
    policy: 'os_compute_api:os-quota-class-sets:show',
    async handle({ db, region, params, version }) {
      const limits = await quotaLimits(db, { service: 'compute', region, projectId: '' })
      return { quota_class_set: { id: params['class'], ...classShown(limits, version) } }
    },
  }),
  route({
    method: 'PUT',
    path: '/os-quota-class-sets/:class',
    policy: 'os_compute_api:os-quota-class-sets:update',
    body: UpdateClass,
    async handle({ db, region, params, body, version }) {
      if (params['class'] !== 'default')
        invalid(`There is no quota class ${params['class']}: only 'default' has an effect.`)
      const scope = { service: 'compute', region, projectId: '' }
      const limits = await db.transaction(async (tx) => {
        await setQuota(tx, scope, amounts(body.quota_class_set))
        return quotaLimits(tx, scope)
      })
      return { quota_class_set: classShown(limits, version) }
    },
  }),
]

/** Server groups came to classes only in 2.50. */
function classShown(limits: Record<string, number>, version: Version) {
  const shown = limitsShown(limits, version)
  if (version < parseVersion('2.50')) {
    delete shown['server_groups']
    delete shown['server_group_members']
  }
  return shown
}
