// What hangs below a server: addresses, metadata, tags, security groups, password, diagnostics, volumes.
import { Type } from 'typebox'
import { Fault, invalid, notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { parseVersion } from '#lib/microversion.ts'
import { groupsWithRules, serverAddresses } from '#network'
import { showGroup } from '../proxies/security-groups-routes.ts'
import { Metadata } from '../wire.ts'
import type { Server } from './model.ts'
import { nicsOf } from './ports.ts'
import { requireUnlocked } from './routes.ts'
import { Tag } from './schema.ts'
import { serverTarget } from './target.ts'
import { updateServer } from './update.ts'
import { addressesOf } from './views.ts'
import { metadataOf } from './requests.ts'

type Asked = Pick<Request, 'db' | 'region' | 'actor'>

async function setMetadata(req: Asked, row: Server, metadata: Record<string, string>) {
  requireUnlocked(row, req.actor.isAdmin)
  const within = await metadataOf(req, metadata)
  await req.db.transaction((tx) => updateServer(tx, row, { metadata: within }))
  return within
}
async function setTags(req: Asked, row: Server, tags: string[]) {
  requireUnlocked(row, req.actor.isAdmin)
  if (tags.length > 50) invalid('The number of tags exceeded the per-server limit 50')
  await req.db.transaction((tx) => updateServer(tx, row, { tags }))
}
const shownNics = async ({ db }: Asked, row: Server) => (await serverAddresses(db, [row.id])).get(row.id) ?? []
const nics = async ({ db }: Asked, row: Server) => (await nicsOf(db, [row.id])).get(row.id) ?? []

export const serverPartRoutes = [
  route({
    method: 'GET',
    path: '/servers/:id/ips',
    policy: 'os_compute_api:ips:index',
    target: serverTarget,
    handle: async (req, row) => ({ addresses: addressesOf(await shownNics(req, row), false) }),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/ips/:network',
    policy: 'os_compute_api:ips:show',
    target: serverTarget,
    async handle(req, row) {
      const name = req.params['network']!
      const found = addressesOf(await shownNics(req, row), false)[name]
      if (!found) throw new Fault('notFound', `Instance ${row.id} is not on a network ${name}.`)
      return { [name]: found }
    },
  }),

  route({
    method: 'GET',
    path: '/servers/:id/metadata',
    policy: 'os_compute_api:server-metadata:index',
    target: serverTarget,
    handle: async (_req, row) => ({ metadata: row.metadata }),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/metadata/:key',
    policy: 'os_compute_api:server-metadata:show',
    target: serverTarget,
    async handle({ params }, row) {
      const key = params['key']!
      return { meta: { [key]: row.metadata[key] ?? notFound('Metadata item', key) } }
    },
  }),
  route({
    method: 'POST',
    path: '/servers/:id/metadata',
    policy: 'os_compute_api:server-metadata:create',
    body: strict({ metadata: Metadata }),
    target: serverTarget,
    handle: async (req, row) => ({ metadata: await setMetadata(req, row, { ...row.metadata, ...req.body.metadata }) }),
  }),
  route({
    method: 'PUT',
    path: '/servers/:id/metadata',
    policy: 'os_compute_api:server-metadata:update_all',
    body: strict({ metadata: Metadata }),
    target: serverTarget,
    handle: async (req, row) => ({ metadata: await setMetadata(req, row, req.body.metadata) }),
  }),
  route({
    method: 'PUT',
    path: '/servers/:id/metadata/:key',
    policy: 'os_compute_api:server-metadata:update',
    body: strict({ meta: Type.Intersect([Metadata, Type.Object({}, { minProperties: 1, maxProperties: 1 })]) }),
    target: serverTarget,
    async handle(req, row) {
      const meta = req.body.meta as Record<string, string>
      const key = req.params['key']!
      if (!(key in meta)) invalid('The request body and the address name different metadata items.')
      await setMetadata(req, row, { ...row.metadata, ...meta })
      return { meta }
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/metadata/:key',
    policy: 'os_compute_api:server-metadata:delete',
    target: serverTarget,
    async handle(req, row) {
      const { [req.params['key']!]: gone, ...rest } = row.metadata
      if (gone === undefined) notFound('Metadata item', req.params['key']!)
      await setMetadata(req, row, rest)
    },
  }),

  route({
    method: 'GET',
    path: '/servers/:id/tags',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:index',
    target: serverTarget,
    handle: async (_req, row) => ({ tags: row.tags }),
  }),
  route({
    method: 'PUT',
    path: '/servers/:id/tags',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:update_all',
    body: strict({ tags: Type.Array(Tag, { maxItems: 50 }) }),
    target: serverTarget,
    async handle(req, row) {
      const tags = [...new Set(req.body.tags)]
      await setTags(req, row, tags)
      return { tags }
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/tags',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:delete_all',
    target: serverTarget,
    handle: (req, row) => setTags(req, row, []),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/tags/:tag',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:show',
    target: serverTarget,
    async handle({ params }, row) {
      if (!row.tags.includes(params['tag']!)) notFound('Tag', params['tag']!)
    },
  }),
  route({
    method: 'PUT',
    path: '/servers/:id/tags/:tag',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:update',
    target: serverTarget,
    async handle(req, row) {
      const tag = req.params['tag']!
      if (tag.length > 60 || /[,/]/.test(tag)) invalid(`Invalid tag '${tag}': 1 to 60 characters without ',' and '/'.`)
      if (row.tags.includes(tag)) return reply({ status: 204 })
      await setTags(req, row, [...row.tags, tag])
      return reply({ status: 201, headers: { location: req.url } })
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/tags/:tag',
    since: '2.26',
    policy: 'os_compute_api:os-server-tags:delete',
    target: serverTarget,
    async handle(req, row) {
      const tag = req.params['tag']!
      if (!row.tags.includes(tag)) notFound('Tag', tag)
      await setTags(
        req,
        row,
        row.tags.filter((each) => each !== tag),
      )
    },
  }),

  route({
    method: 'GET',
    path: '/servers/:id/os-security-groups',
    policy: 'os_compute_api:os-security-groups:list',
    target: serverTarget,
    async handle(req, row) {
      const ids = new Set((await nics(req, row)).flatMap((nic) => nic.port.securityGroupIds))
      const shown = (await groupsWithRules(req.db, req.region, [...ids])).map(showGroup)
      return { security_groups: shown }
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:id/os-server-password',
    policy: 'os_compute_api:os-server-password:show',
    target: serverTarget,
    // guests hand over no encrypted password here, so there is none
    handle: async () => ({ password: '' }),
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id/os-server-password',
    policy: 'os_compute_api:os-server-password:clear',
    target: serverTarget,
    handle: async () => undefined,
  }),
  route({
    method: 'GET',
    path: '/servers/:id/os-volume_attachments',
    policy: 'os_compute_api:os-volumes-attachments:index',
    target: serverTarget,
    handle: async () => ({ volumeAttachments: [] }),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/diagnostics',
    policy: 'os_compute_api:os-server-diagnostics',
    target: serverTarget,
    async handle({ world, region, version }, row) {
      if (row.host === null || row.state !== 'active')
        throw new Fault('conflict', `Cannot get diagnostics of instance ${row.id}: it is not running.`)
      const found = await world.drivers(region).compute.diagnostics(row.id, row.host)
      if (version < parseVersion('2.48')) {
        const flat: Record<string, number> = {
          memory: found.memoryMaximumMb * 1024,
          'memory-actual': found.memoryUsedMb * 1024,
        }
        for (const [i, ns] of found.cpuTimesNs.entries()) flat[`cpu${i}_time`] = ns
        for (const [i, disk] of found.disks.entries())
          Object.assign(flat, {
            [`vd${'abcdefgh'[i]}_read`]: disk.readBytes,
            [`vd${'abcdefgh'[i]}_read_req`]: disk.readRequests,
            [`vd${'abcdefgh'[i]}_write`]: disk.writeBytes,
            [`vd${'abcdefgh'[i]}_write_req`]: disk.writeRequests,
            [`vd${'abcdefgh'[i]}_errors`]: disk.errors,
          })
        for (const [i, nic] of found.nics.entries())
          Object.assign(flat, {
            [`vnet${i}_rx`]: nic.rxBytes,
            [`vnet${i}_rx_packets`]: nic.rxPackets,
            [`vnet${i}_rx_drop`]: nic.rxDrop,
            [`vnet${i}_rx_errors`]: nic.rxErrors,
            [`vnet${i}_tx`]: nic.txBytes,
            [`vnet${i}_tx_packets`]: nic.txPackets,
            [`vnet${i}_tx_drop`]: nic.txDrop,
            [`vnet${i}_tx_errors`]: nic.txErrors,
          })
        return flat
      }
      return {
        state: 'running',
        driver: 'libvirt',
        hypervisor: 'qemu',
        hypervisor_os: 'linux',
        uptime: Math.round(found.uptimeSeconds),
        config_drive: row.configDrive,
        num_cpus: found.cpuTimesNs.length,
        num_disks: found.disks.length,
        num_nics: found.nics.length,
        memory_details: { maximum: found.memoryMaximumMb, used: found.memoryUsedMb },
        cpu_details: found.cpuTimesNs.map((time, id) => ({ id, time, utilisation: null })),
        disk_details: found.disks.map((disk) => ({
          read_bytes: disk.readBytes,
          read_requests: disk.readRequests,
          write_bytes: disk.writeBytes,
          write_requests: disk.writeRequests,
          errors_count: disk.errors,
        })),
        nic_details: found.nics.map((nic) => ({
          mac_address: nic.mac,
          rx_octets: nic.rxBytes,
          rx_packets: nic.rxPackets,
          rx_drop: nic.rxDrop,
          rx_errors: nic.rxErrors,
          rx_rate: null,
          tx_octets: nic.txBytes,
          tx_packets: nic.txPackets,
          tx_drop: nic.txDrop,
          tx_errors: nic.txErrors,
          tx_rate: null,
        })),
      }
    },
  }),
]
