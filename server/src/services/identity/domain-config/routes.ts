import { forbidden, notFound } from '#lib/fault.ts'
import { type Method, reply, type Request, route } from '#lib/http/route.ts'
import { Type } from 'typebox'
import { findDomain } from '../domains/model.ts'
import { aboutDomain } from '../domains/policy.ts'
import { routeOn } from '../route-on.ts'
import {
  type DomainConfig,
  getConfig,
  hasConfig,
  type Part,
  removeConfig,
  requireConfig,
  requireDirectoryFits,
  requirePart,
  setConfig,
} from './model.ts'
import { defaults } from './options.ts'

const Config = Type.Object({ config: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())) })
const OptionConfig = Type.Object({ config: Type.Record(Type.String(), Type.Unknown()) })

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findDomain(db, params['id']!)
const on = { noun: 'Domain', find, about: aboutDomain } as const
const partOf = ({ params }: Pick<Request, 'params'>): Part => ({ group: params['group'], option: params['option'] })

/** An option alone is shown without its group. */
function shown(config: DomainConfig, { group, option }: Part) {
  return { config: group !== undefined && option !== undefined ? config[group] : config }
}

const levels = ['', '/:group', '/:group/:option'] as const

const perLevel = levels.flatMap((level) => [
  routeOn({
    method: 'GET',
    path: `/domains/:id/config${level}`,
    policy: 'identity:get_domain_config',
    ...on,
    async handle(req, { id }) {
      const part = partOf(req)
      requirePart(part)
      return shown(await getConfig(req.db, id, part), part)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: `/domains/:id/config${level}`,
    policy: 'identity:delete_domain_config',
    ...on,
    async handle(req, { id }) {
      const part = partOf(req)
      requirePart(part)
      if (part.group !== undefined && !(await hasConfig(req.db, id, part)))
        notFound('Domain configuration', `${id}/${part.group}`)
      await req.db.transaction((tx) => removeConfig(tx, id, part))
    },
  }),
])

/** What a PATCH asks for as a whole configuration; it may name nothing outside its path. */
function asked(part: Part, config: Record<string, unknown>): DomainConfig {
  const { group, option } = part
  if (group === undefined) return config as DomainConfig
  const only = option ?? group
  if (Object.keys(config).some((key) => key !== only))
    forbidden(`The request names other options than ${only}, which its URL is about.`)
  return option === undefined ? (config as DomainConfig) : { [group]: config }
}

async function update(req: Pick<Request, 'db' | 'params'>, id: string, config: Record<string, unknown>) {
  const part = partOf(req)
  requirePart(part)
  const wanted = asked(part, config)
  requireConfig(wanted)
  await requireDirectoryFits(req.db, id, wanted)
  if (!(await hasConfig(req.db, id, part))) notFound('Domain configuration', [id, part.group, part.option].join('/'))
  await req.db.transaction((tx) => setConfig(tx, id, wanted))
  return { config: await getConfig(req.db, id, {}) }
}

const securityCompliance = ({ world }: Pick<Request, 'world'>): Record<string, string | null> => ({
  password_regex: world.config.passwordRegex || null,
  password_regex_description: world.config.passwordRegexHint || null,
})

/** What passwords must be like: everyone may know, whatever their domain. */
const compliance = (['GET', 'HEAD'] as Method[]).flatMap((method) => [
  route({
    method,
    path: '/domains/:id/config/security_compliance',
    policy: 'identity:get_security_compliance_domain_config',
    handle: async (req) => ({ config: { security_compliance: securityCompliance(req) } }),
  }),
  route({
    method,
    path: '/domains/:id/config/security_compliance/:option',
    policy: 'identity:get_security_compliance_domain_config',
    async handle(req) {
      const option = req.params['option']!
      const value = securityCompliance(req)[option]
      if (value === undefined) forbidden(`Option ${option} is not for everyone to see.`)
      return { config: { [option]: value } }
    },
  }),
])

export const domainConfigRoutes = [
  routeOn({
    method: 'PUT',
    path: '/domains/:id/config',
    policy: 'identity:create_domain_config',
    body: Config,
    ...on,
    async handle({ db, body }, { id }) {
      requireConfig(body.config)
      await requireDirectoryFits(db, id, body.config)
      const replaced = await hasConfig(db, id, {})
      await db.transaction(async (tx) => {
        await removeConfig(tx, id, {})
        await setConfig(tx, id, body.config)
      })
      return reply({ status: replaced ? 200 : 201, body: { config: await getConfig(db, id, {}) } })
    },
  }),
  ...perLevel,
  ...(['', '/:group'] as const).map((level) =>
    routeOn({
      method: 'PATCH',
      path: `/domains/:id/config${level}`,
      policy: 'identity:update_domain_config',
      body: Config,
      ...on,
      handle: (req, { id }) => update(req, id, req.body.config),
    }),
  ),
  routeOn({
    method: 'PATCH',
    path: '/domains/:id/config/:group/:option',
    policy: 'identity:update_domain_config',
    body: OptionConfig,
    ...on,
    handle: (req, { id }) => update(req, id, req.body.config),
  }),
  ...compliance,
  route({
    method: 'GET',
    path: '/domains/config/default',
    policy: 'identity:get_domain_config_default',
    handle: async () => ({ config: defaults }),
  }),
  route({
    method: 'GET',
    path: '/domains/config/:group/default',
    policy: 'identity:get_domain_config_default',
    async handle(req) {
      requirePart(partOf(req))
      const group = req.params['group']!
      return { config: { [group]: defaults[group] } }
    },
  }),
  route({
    method: 'GET',
    path: '/domains/config/:group/:option/default',
    policy: 'identity:get_domain_config_default',
    async handle(req) {
      requirePart(partOf(req))
      const { group = '', option = '' } = req.params
      // a secret has no default, and its value is never shown
      if (!(option in (defaults[group] ?? {}))) forbidden(`Option ${option} in group ${group} cannot be shown.`)
      return { config: { [option]: defaults[group]![option] } }
    },
  }),
]
