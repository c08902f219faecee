// `os-interface`: the NICs of a server as they are. Adding and taking one off a running guest comes later.
import { Fault, invalid, notFound } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'
import { view } from '#lib/view.ts'
import { type Nic, nicsOf } from './ports.ts'
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
      const found = nics.find((nic) => nic.portId === params['portId'])
      return interfaceView.show(found ?? notFound('Port', params['portId']!), viewer)
    },
  }),
  route({
    method: 'POST',
    path: '/servers/:id/os-interface',
    policy: 'os_compute_api:os-attach-interfaces:create',
    target: serverTarget,
    handle: async () => invalid('Interfaces cannot be added to a server that exists in this cloud yet.'),
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/os-interface/:portId',
    policy: 'os_compute_api:os-attach-interfaces:delete',
    target: serverTarget,
    handle: () =>
      Promise.reject(new Fault('invalid', 'Interfaces cannot be taken from a server that exists in this cloud yet.')),
  }),
]
