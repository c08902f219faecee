// `os-services`: one nova-compute for each host.
import { type Static, Type } from 'typebox'
import { invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { Bool, strict, truth } from '#lib/http/schema.ts'
import { isUuid } from '#lib/id.ts'
import { parseVersion } from '#lib/microversion.ts'
import { view } from '#lib/view.ts'
import { defaultZone, listAggregates, zonesByHost } from '../aggregates/model.ts'
import { bareTime } from '../wire.ts'
import { forgetHost, setHostStatus } from './change.ts'
import { type ComputeHost, findHost, isUp, listHosts } from './model.ts'

const byUuid = parseVersion('2.53')
const strictQuery = parseVersion('2.75')
const binary = 'nova-compute'

interface Shown {
  host: ComputeHost
  zone: string
}
const serviceView = view<Shown>(['service', 'services'], {
  id: { until: '2.52', get: ({ host }) => host.n },
  'id ': { since: '2.53', get: ({ host }) => host.serviceId },
  binary: () => binary,
  host: ({ host }) => host.name,
  zone: ({ zone }) => zone,
  status: ({ host }) => (host.disabled ? 'disabled' : 'enabled'),
  state: ({ host }) => (isUp(host) ? 'up' : 'down'),
  updated_at: ({ host }) => bareTime(host.lastSeenAt),
  disabled_reason: ({ host }) => host.disabledReason,
  forced_down: { since: '2.11', get: ({ host }) => host.forcedDown },
})

const Reason = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[^\\u0000-\\u001f]*(?<! )$' })
const ByHost = strict({
  host: Type.String({ minLength: 1, maxLength: 255 }),
  binary: Type.String({ minLength: 1, maxLength: 255 }),
  disabled_reason: Type.Optional(Reason),
  forced_down: Type.Optional(Bool),
})
const ById = strict({
  status: Type.Optional(Type.Enum(['enabled', 'disabled'])),
  disabled_reason: Type.Optional(Reason),
  forced_down: Type.Optional(Bool),
})
const Update = Type.Union([ById, ByHost])

async function zones({ db, region }: Pick<Request, 'db' | 'region'>) {
  return zonesByHost(await listAggregates(db, region))
}

/** Before 2.53 the path says what to do, and the body with which host. */
async function updateByHost(req: Omit<Request, 'body'>, body: Static<typeof ByHost>) {
  const asked = req.params['service']!
  if (body.binary !== binary)
    invalid(`Updating a ${body.binary} service is not supported. Only nova-compute services can be updated.`)
  const host = await findHost(req.db, req.region, body.host)
  const found = () => host ?? notFound(`Host ${body.host} with binary`, body.binary)
  const base = { host: body.host, binary }
  const set = (changes: Parameters<typeof setHostStatus>[2]) =>
    req.db.transaction((tx) => setHostStatus(tx, found(), changes))
  switch (asked) {
    case 'enable':
      await set({ disabled: false, disabledReason: null })
      return { service: { ...base, status: 'enabled' } }
    case 'disable':
      await set({ disabled: true, disabledReason: null })
      return { service: { ...base, status: 'disabled' } }
    case 'disable-log-reason': {
      const reason = body.disabled_reason ?? invalid('Missing disabled reason field')
      await set({ disabled: true, disabledReason: reason })
      return { service: { ...base, status: 'disabled', disabled_reason: reason } }
    }
    case 'force-down': {
      if (req.version < parseVersion('2.11')) return notFound('Action', asked)
      const forcedDown = truth(body.forced_down ?? invalid('Missing forced_down field'))
      await set({ forcedDown })
      return { service: { ...base, forced_down: forcedDown } }
    }
    default:
      return notFound('Action', asked)
  }
}

async function byServiceId({ db, region, params }: Pick<Request, 'db' | 'region' | 'params'>): Promise<ComputeHost> {
  const id = params['service']!
  const all = await listHosts(db, region)
  return all.find((host) => host.serviceId === id || String(host.n) === id) ?? notFound('Service', id)
}

async function updateById(req: Omit<Request, 'body'>, body: Static<typeof ById>) {
  const { status, disabled_reason: reason, forced_down: down } = body
  const id = req.params['service']!
  if (!isUuid(id)) invalid(`Invalid uuid ${id}`)
  if (status === undefined && down === undefined)
    invalid("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
  if (reason !== undefined && status !== 'disabled')
    invalid("Specifying 'disabled_reason' requires that status is 'disabled'.")
  const host = await byServiceId(req)
  const set = {
    ...(status !== undefined && { disabled: status === 'disabled', disabledReason: reason ?? null }),
    ...(down !== undefined && { forcedDown: truth(down) }),
  }
  const changed = await req.db.transaction((tx) => setHostStatus(tx, host, set))
  return serviceView.show({ host: changed, zone: (await zones(req)).get(host.name) ?? defaultZone }, req.view)
}

export const serviceRoutes = [
  route({
    method: 'GET',
    path: '/os-services',
    policy: 'os_compute_api:os-services:list',
    async handle(req) {
      const { query } = req
      const unknown = Object.keys(query).find((name) => name !== 'host' && name !== 'binary')
      if (unknown !== undefined && req.version >= strictQuery)
        invalid(`Additional properties are not allowed ('${unknown}' was unexpected).`)
      const [name, wanted] = [one(query, 'host'), one(query, 'binary')]
      const inZone = await zones(req)
      const hosts = wanted && wanted !== binary ? [] : await listHosts(req.db, req.region)
      return serviceView.list(
        hosts
          .filter((host) => !name || host.name === name)
          .map((host) => ({ host, zone: inZone.get(host.name) ?? defaultZone })),
        req.view,
      )
    },
  }),
  route({
    method: 'PUT',
    path: '/os-services/:service',
    policy: 'os_compute_api:os-services:update',
    body: Update,
    async handle(req) {
      if (req.version >= byUuid)
        return 'binary' in req.body
          ? invalid("Additional properties are not allowed ('binary' was unexpected).")
          : updateById(req, req.body)
      return 'binary' in req.body
        ? updateByHost(req, req.body)
        : invalid("'host' and 'binary' are required properties.")
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-services/:service',
    policy: 'os_compute_api:os-services:delete',
    async handle(req) {
      const id = req.params['service']!
      if (req.version >= byUuid ? !isUuid(id) : !/^\d{1,9}$/.test(id)) invalid(`Invalid service id ${id}`)
      const host = await byServiceId(req)
      await req.db.transaction((tx) => forgetHost(tx, host))
    },
  }),
]
