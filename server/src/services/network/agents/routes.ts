import { createHash } from 'node:crypto'
import { eq } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { many } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { networkHost, type NetworkHost } from '../model.ts'
import { pick } from '../rest/filters.ts'

/** One agent serves all of a host's network; its id is made from the host's name and stays the same. */
function agentId({ region, host }: NetworkHost): string {
  const hex = createHash('sha256').update(`agent ${region} ${host}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const neutronTime = (at: Date) => at.toISOString().slice(0, 19).replace('T', ' ')

function shown(row: NetworkHost): Record<string, unknown> {
  return {
    id: agentId(row),
    agent_type: 'Pileus agent',
    binary: 'pileus-agent',
    topic: 'N/A',
    host: row.host,
    admin_state_up: true,
    alive: row.alive,
    availability_zone: 'nova',
    description: null,
    resources_synced: null,
    created_at: neutronTime(row.seenAt),
    started_at: neutronTime(row.seenAt),
    heartbeat_timestamp: neutronTime(row.seenAt),
    configurations: {
      tunneling_ip: row.tunnelAddress,
      tunnel_types: ['vxlan'],
      physical_networks: row.physicalNetworks,
    },
  }
}

async function agents(req: Request) {
  const rows = await req.db
    .select()
    .from(networkHost)
    .where(eq(networkHost.region, req.region))
    .orderBy(networkHost.host)
  return rows.map(shown)
}

export const agentRoutes = [
  route({
    method: 'GET',
    path: '/agents',
    policy: 'authenticated', // who may not get_agent sees an empty list, as in Neutron
    async handle(req) {
      if (!req.allows('get_agent')) return { agents: [] }
      const filters = ['host', 'agent_type', 'binary', 'id', 'availability_zone', 'alive', 'admin_state_up']
      const wanted = (await agents(req)).filter((agent) =>
        filters.every((name) => {
          const values = many(req.query, name).map((value) => value.toLowerCase())
          return values.length === 0 || values.includes(String(agent[name]).toLowerCase())
        }),
      )
      return { agents: wanted.map((agent) => pick(req.query, agent)) }
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id',
    policy: 'get_agent',
    async handle(req) {
      const found = (await agents(req)).find((agent) => agent['id'] === req.params['id'])
      return { agent: pick(req.query, found ?? notFound('Agent', req.params['id']!)) }
    },
  }),
  route({
    method: 'GET',
    path: '/availability_zones',
    policy: 'get_availability_zone',
    handle: async () => ({
      availability_zones: ['network', 'router'].map((resource) => ({ name: 'nova', resource, state: 'available' })),
    }),
  }),
  route({
    method: 'GET',
    path: '/service-providers',
    policy: 'get_service_provider',
    // one kind of router, and no flavors of it: there is nothing to choose from
    handle: async () => ({ service_providers: [] }),
  }),
]
