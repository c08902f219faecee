import { randomBytes } from 'node:crypto'
import { request, type Session } from '../cloud/session.ts'

export const publicGateway = '172.24.4.1'
export const publicPrefix = 24
/** The name that the agent's host-side bridge and the public network share. */
export const physicalNetwork = 'public'

type Kind = 'network' | 'subnet' | 'router'
interface Named {
  id: string
}
interface Port {
  fixed_ips: { subnet_id: string }[]
}

/** `public` (external), `private` for the admin's project, and `router` between them. */
export async function seedNetworks(session: Session): Promise<void> {
  const outside = await ensure(session, 'network', {
    name: 'public',
    'router:external': true,
    'provider:network_type': 'flat',
    'provider:physical_network': physicalNetwork,
  })
  await ensure(session, 'subnet', {
    name: 'public-v4',
    network_id: outside.id,
    ip_version: 4,
    cidr: `172.24.4.0/${publicPrefix}`,
    gateway_ip: publicGateway,
    enable_dhcp: false,
  })
  const inside = await ensure(session, 'network', { name: 'private' })
  const subnets = [
    await ensure(session, 'subnet', { name: 'private-v4', network_id: inside.id, ip_version: 4, cidr: '10.10.0.0/24' }),
    await ensure(session, 'subnet', {
      name: 'private-v6',
      network_id: inside.id,
      ip_version: 6,
      cidr: uniqueLocalPrefix(),
      ipv6_ra_mode: 'slaac',
      ipv6_address_mode: 'slaac',
    }),
  ]
  const router = await ensure(session, 'router', {
    name: 'router',
    external_gateway_info: { network_id: outside.id },
  })
  await attach(session, router, subnets)
}

/** Looks for the admin's own thing of that name and makes it when it is not there. */
async function ensure(session: Session, kind: Kind, spec: { name: string } & Record<string, unknown>): Promise<Named> {
  const url = `${session.endpoint('network')}/${kind}s`
  const query = `name=${spec.name}&project_id=${session.projectId}`
  const found = await request<Record<string, Named[]>>(session, 'GET', `${url}?${query}`)
  const existing = found[`${kind}s`]?.[0]
  if (existing) return existing
  const made = await request<Record<string, Named>>(session, 'POST', url, { [kind]: spec })
  const thing = made[kind]
  if (thing === undefined) throw new Error(`the answer to a new ${kind} holds none`)
  return thing
}

async function attach(session: Session, router: Named, subnets: Named[]): Promise<void> {
  const network = session.endpoint('network')
  const { ports } = await request<{ ports: Port[] }>(session, 'GET', `${network}/ports?device_id=${router.id}`)
  const attached = new Set(ports.flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id)))
  for (const { id } of subnets)
    if (!attached.has(id))
      await request(session, 'PUT', `${network}/routers/${router.id}/add_router_interface`, { subnet_id: id })
}

/** A /64 of our own: fd and 40 random bits (RFC 4193). */
function uniqueLocalPrefix(): string {
  const hex = `fd${randomBytes(5).toString('hex')}`
  return `${hex.match(/.{4}/g)?.join(':')}::/64`
}
