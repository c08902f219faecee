// `os-interface`: the NICs of a server, and how one comes to it and goes.
import type { Static } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { reply, route } from '#lib/http/route.ts'
import { view } from '#lib/view.ts'
import type { NicWish } from '#network'
import { attachInterface, detachInterface, requireNic } from './nics.ts'
import { type Nic, nicsOf } from './ports.ts'
import { nicAskerOf } from './requests.ts'
import { requireUnlocked } from './routes.ts'
import { AttachInterface } from './schema.ts'
import { serverTarget } from './target.ts'

const interfaceView = view<Nic>(['interfaceAttachment', 'interfaceAttachments'], {
  port_id: (nic) => nic.portId,
  net_id: (nic) => nic.networkId,
  mac_addr: (nic) => nic.mac,
  port_state: (nic) => (nic.up ? 'ACTIVE' : 'DOWN'),
  fixed_ips: (nic) => nic.addresses.map(({ address, subnetId }) => ({ ip_address: address, subnet_id: subnetId })),
  tag: { since: '2.70', get: (nic) => nic.tag },
})

export const interfaceRoutes = [
  route({
    method: 'GET',
    path: '/servers/:id/os-interface',
    policy: 'os_compute_api:os-attach-interfaces:list',
    target: serverTarget,
    handle: async ({ db, view: viewer }, row) =>
      interfaceView.list((await nicsOf(db, [row.id])).get(row.id) ?? [], viewer),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/os-interface/:portId',
    policy: 'os_compute_api:os-attach-interfaces:show',
    target: serverTarget,
    async handle({ db, params, view: viewer }, row) {
      const nics = (await nicsOf(db, [row.id])).get(row.id) ?? []
      return interfaceView.show(requireNic(nics, params['portId']!), viewer)
    },
  }),
  route({
    method: 'POST',
    path: '/servers/:id/os-interface',
    policy: 'os_compute_api:os-attach-interfaces:create',
    body: AttachInterface,
    target: serverTarget,
    async handle(req, row) {
      const { db, world, actor, origin, body, view: viewer } = req
      requireUnlocked(row, actor.isAdmin)
      const nic = nicOf(body)
      const portId = await db.transaction((tx) => attachInterface(tx, world, row, nic, nicAskerOf(req), origin))
      return interfaceView.show(requireNic((await nicsOf(db, [row.id])).get(row.id) ?? [], portId), viewer)
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/os-interface/:portId',
    policy: 'os_compute_api:os-attach-interfaces:delete',
    target: serverTarget,
    async handle({ db, actor, origin, params }, row) {
      requireUnlocked(row, actor.isAdmin)
      const { portId } = requireNic((await nicsOf(db, [row.id])).get(row.id) ?? [], params['portId']!)
      await db.transaction((tx) => detachInterface(tx, row, portId, origin))
      return reply({ status: 202 })
    },
  }),
]

function nicOf({ interfaceAttachment: asked = {} }: Static<typeof AttachInterface>): NicWish | 'auto' {
  const { net_id: networkId, port_id: portId, fixed_ips: [fixed] = [], tag } = asked
  if (networkId !== undefined && portId !== undefined) invalid('Must not input both network_id and port_id')
  if (fixed && networkId === undefined) invalid('Must input network_id when request IP address')
  if (networkId === undefined && portId === undefined) return 'auto'
  return { portId: portId?.toLowerCase(), networkId, fixedIp: fixed?.ip_address, tag }
}
