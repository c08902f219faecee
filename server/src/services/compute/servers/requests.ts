// From the words of a request to what createServers and rebuild want: everything named is looked up, everything that
// cannot be done is refused with a sentence.
import { randomBytes } from 'node:crypto'
import type { Static } from 'typebox'
import type { Db } from '#lib/db.ts'
import { Fault, forbidden, invalid, overQuota } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'
import { truth } from '#lib/http/schema.ts'
import { parseVersion } from '#lib/microversion.ts'
import { quotaLimits } from '#lib/quota.ts'
import { type BootImage, getBootImage } from '#image'
import type { NicAsker, NicWish } from '#network'
import { listAggregates, zoneOfHost, zonesByHost } from '../aggregates/model.ts'
import { findFlavor } from '../flavors/model.ts'
import { eyes } from '../flavors/routes.ts'
import { findHost, listHosts } from '../hosts/model.ts'
import { findKeypair } from '../keypairs/model.ts'
import { findGroup, membersOf } from '../server-groups/model.ts'
import { toCount } from '../wire.ts'
import { requireAbility } from './apply.ts'
import type { ServersWish } from './create.ts'
import { findServers, type ServerFlavor, type ServerImage, type ServerKey } from './model.ts'
import type { CreateServer } from './schema.ts'

type Body = Static<typeof CreateServer>
type Asked = Pick<Request, 'db' | 'region' | 'actor' | 'version' | 'world' | 'require' | 'allows'>

const networksRequired = parseVersion('2.37')
const descriptionApart = parseVersion('2.19')

/** Throws invalid, forbidden, overQuota. */
export async function readWish(req: Asked, body: Body): Promise<ServersWish> {
  const { server } = body
  const { db, region, actor } = req
  const hints = body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints'] ?? {}
  const minCount = toCount(server.min_count ?? 1, 'server.min_count', 1, 1000)
  const maxCount = toCount(server.max_count ?? minCount, 'server.max_count', 1, 1000)
  if (minCount > maxCount) invalid('min_count must be <= max_count')
  refuseVolumes(server)
  if (server.trusted_image_certificates?.length) invalid('Image certificates are not checked in this cloud.')
  if (hints.query !== undefined) invalid('The scheduler hint query is not supported: use traits in the flavor.')
  const networks = networksOf(req, server)
  if (server.networks !== undefined && networks !== 'none') req.require('os_compute_api:servers:create:attach_network')
  if (!server.imageRef) invalid('Invalid imageRef provided: a server is made from an image.')
  const flavor = await flavorOf(req, String(server.flavorRef))
  const image = await imageFor(req, server.imageRef, flavor)
  const configDrive = truth(server.config_drive ?? false)
  if (configDrive) requireAbility(req.world, region, 'configDrive')
  return {
    region,
    projectId: actor.projectId ?? '',
    userId: actor.userId,
    name: server.name.trim(),
    description: req.version >= descriptionApart ? (server.description ?? null) : server.name.trim(),
    hostname: server.hostname ?? null,
    flavor,
    image,
    imageId: image.id,
    ...(await keyOf(req, server.key_name ?? null)),
    userData: userDataOf(server.user_data),
    configDrive,
    metadata: await metadataOf(req, server.metadata ?? {}),
    tags: [...new Set(server.tags)],
    files: await filesOf(req, server.personality ?? []),
    adminPassword: server.adminPass ?? makePassword(),
    ...(await placeOf(req, server)),
    ...(await hintsOf(db, req, hints, maxCount)),
    diskConfig: server['OS-DCF:diskConfig'] ?? 'MANUAL',
    accessIpV4: server.accessIPv4 ?? null,
    accessIpV6: canonical(server.accessIPv6),
    minCount,
    maxCount,
    networks,
    securityGroups: (server.security_groups ?? []).flatMap(({ name }) => (name === undefined ? [] : [name])),
    actor: nicAskerOf(req),
  }
}

/** An IPv6 address as RFC 5952 writes it. */
export function canonical(address: string | undefined): string | null {
  return address === undefined ? null : new URL(`http://[${address}]`).hostname.slice(1, -1)
}

export function makePassword(): string {
  return randomBytes(9).toString('base64url')
}

/** Who asks for NICs, as the network service wants to know it. */
export function nicAskerOf({ actor, allows }: Pick<Request, 'actor' | 'allows'>): NicAsker {
  const attachesExternal = allows('network:attach_external_network')
  return { projectId: actor.projectId ?? '', isAdmin: actor.isAdmin, attachesExternal }
}

function networksOf({ version }: Asked, { networks }: Body['server']): ServersWish['networks'] {
  if (networks === undefined && version >= networksRequired)
    return invalid(`Invalid input for field server: 'networks' is a required property; it may be 'auto' or 'none'.`)
  if (networks === undefined) return 'auto'
  if (typeof networks === 'string') return networks
  const ports = new Set<string>()
  const wanted = networks.map((nic): NicWish => {
    const portId = nic.port ?? undefined
    if (portId === undefined && nic.uuid === undefined)
      return invalid(`Invalid input for field server.networks: each one has a 'port' or a 'uuid'.`)
    if (portId !== undefined && nic.fixed_ip !== undefined)
      return invalid(`Specified Fixed IP '${nic.fixed_ip}' cannot be used with port '${portId}': the port has its own.`)
    if (portId !== undefined && ports.has(portId)) return invalid(`Port ${portId} is named twice.`)
    if (portId !== undefined) ports.add(portId)
    return { portId, networkId: portId === undefined ? nic.uuid : undefined, fixedIp: nic.fixed_ip, tag: nic.tag }
  })
  // old clients say "the default" with an empty list
  return wanted.length > 0 ? wanted : version >= networksRequired ? 'none' : 'auto'
}

/** Without block storage only what imageRef says already can be said by a block device mapping. */
function refuseVolumes({ block_device_mapping: old, block_device_mapping_v2: v2 = [], imageRef }: Body['server']) {
  if (old?.length) invalid('Block Device Mapping is Invalid: this cloud has no block storage to boot from.')
  for (const each of v2) {
    const plain =
      each.source_type === 'image' &&
      (each.destination_type ?? 'local') === 'local' &&
      Number(each.boot_index ?? -1) === 0 &&
      each.uuid === imageRef
    if (!plain)
      invalid(
        'Block Device Mapping is Invalid: this cloud has no block storage; only the image itself as a local boot disk (source_type image, destination_type local, boot_index 0) is possible.',
      )
  }
}

export async function flavorOf(req: Pick<Asked, 'db' | 'region' | 'actor'>, ref: string): Promise<ServerFlavor> {
  const id = ref.includes('/') ? (ref.split('/').at(-1) ?? '') : ref
  const found = await findFlavor(req.db, req.region, id, eyes(req))
  if (!found) return invalid(`Invalid flavorRef provided: flavor ${id} could not be found.`)
  const { flavorId, name, vcpus, ramMb, diskGb, ephemeralGb, swapMb, extraSpecs } = found
  return { id: flavorId, name, vcpus, ramMb, diskGb, ephemeralGb, swapMb, extraSpecs }
}

/** The image, which must fit the flavor. Throws invalid, forbidden. */
export async function imageFor(req: Asked, id: string, flavor: ServerFlavor): Promise<ServerImage> {
  const image = await bootable(req, id, 'Can not find requested image')
  const { diskGb, ramMb } = flavor
  if (diskGb === 0) req.require('os_compute_api:servers:create:zero_disk_flavor')
  if (image.minRamMb > ramMb)
    invalid(`Flavor's memory is too small for requested image: it needs ${image.minRamMb} MB, the flavor has ${ramMb}.`)
  if (diskGb > 0 && image.minDiskGb > diskGb)
    invalid(`Flavor's disk is too small for requested image: it needs ${image.minDiskGb} GB, the flavor has ${diskGb}.`)
  if (diskGb > 0 && image.virtualSizeBytes > diskGb * 2 ** 30)
    invalid(
      `Flavor's disk is too small for requested image: the image is ${image.virtualSizeBytes} bytes, the flavor's disk ${diskGb} GB.`,
    )
  const { kernelId, ramdiskId } = image
  return {
    id: image.id,
    name: image.name,
    source: sourceOf(image),
    kernel: kernelId ? sourceOf(await bootable(req, kernelId, `Can not find kernel ${kernelId}`)) : null,
    ramdisk: ramdiskId ? sourceOf(await bootable(req, ramdiskId, `Can not find ramdisk ${ramdiskId}`)) : null,
    properties: image.properties,
  }
}

async function bootable({ db, region, actor }: Asked, id: string, missing: string): Promise<BootImage> {
  try {
    return await getBootImage(db, region, id, actor)
  } catch (error) {
    if (error instanceof Fault && error.kind === 'notFound') return invalid(`${missing}.`, { cause: error })
    throw error
  }
}

function sourceOf(image: BootImage): ServerImage['source'] {
  return { imageId: image.id, format: image.format, sizeBytes: image.sizeBytes, sha512: image.sha512 }
}

export async function keyOf(
  { db, region, actor }: Asked,
  name: string | null,
): Promise<{ keyName: string | null; key: ServerKey | null }> {
  if (name === null) return { keyName: null, key: null }
  const found = await findKeypair(db, region, actor.userId, name.trim())
  if (!found) return invalid('Invalid key_name provided.')
  return { keyName: found.name, key: { name: found.name, type: found.type, data: found.publicKey } }
}

export function userDataOf(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null
  const bare = text.replaceAll(/\s/g, '')
  if (bare.length % 4 !== 0) invalid('User data needs to be valid base 64.')
  return bare
}

/** Throws overQuota when there are more items than a server may have. */
export async function metadataOf(
  { db, region, actor }: Pick<Asked, 'db' | 'region' | 'actor'>,
  metadata: Record<string, string>,
): Promise<Record<string, string>> {
  const given = Object.keys(metadata).length
  if (given === 0) return metadata
  const limits = await quotaLimits(db, { service: 'compute', region, projectId: actor.projectId ?? '' })
  const limit = limits['metadata_items'] ?? -1
  if (limit >= 0 && given > limit) overQuota(`Maximum number of metadata items exceeds ${limit}`)
  return metadata
}

/** Old file injection, within the project's limits. */
export async function filesOf({ db, region, actor }: Asked, personality: { path: string; contents: string }[]) {
  if (personality.length === 0) return []
  const limits = await quotaLimits(db, { service: 'compute', region, projectId: actor.projectId ?? '' })
  const within = (name: string, amount: number, what: string) => {
    const limit = limits[name] ?? -1
    if (limit >= 0 && amount > limit) forbidden(`Personality ${what} limit exceeded: ${amount}, the limit is ${limit}.`)
  }
  within('injected_files', personality.length, 'file')
  for (const { path, contents } of personality) {
    within('injected_file_path_bytes', Buffer.byteLength(path), 'file path')
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(contents)) invalid(`Personality content for ${path} cannot be decoded.`)
    within('injected_file_content_bytes', Buffer.byteLength(contents, 'base64'), 'content')
  }
  return personality
}

/** Where it must be: `zone`, `zone:host` or `zone::host` (admins), or since 2.74 a host by its name (admins). */
async function placeOf(req: Asked, server: Body['server']) {
  const { db, region } = req
  const [zone = '', ...rest] = (server.availability_zone ?? '').split(':')
  const forced = rest.filter((part) => part !== '')[0] ?? null
  if (rest.length > 2) invalid(`Unable to parse availability_zone ${server.availability_zone}.`)
  if (forced !== null) req.require('os_compute_api:servers:create:forced_host')
  const named = server.host ?? server.hypervisor_hostname ?? null
  if (named !== null) {
    req.require('compute:servers:create:requested_destination')
    if (forced !== null)
      invalid('A host is named by host or hypervisor_hostname, or by availability_zone zone:host: not by both.')
    if (server.host && server.hypervisor_hostname && server.host !== server.hypervisor_hostname)
      invalid('host and hypervisor_hostname name different hosts.')
  }
  const requestedHost = forced ?? named
  if (requestedHost !== null && !(await findHost(db, region, requestedHost)))
    invalid(`Compute host ${requestedHost} could not be found.`)
  if (zone !== '' && !(await zoneExists(db, region, zone)))
    invalid(`The requested availability zone is not available: ${zone}`)
  const fits = requestedHost === null || zone === '' || (await zoneOfHost(db, region, requestedHost)) === zone
  return { requestedHost, requestedZone: zone !== '' && fits ? zone : null }
}

async function zoneExists(db: Db, region: string, zone: string): Promise<boolean> {
  const zones = zonesByHost(await listAggregates(db, region))
  if ([...zones.values()].includes(zone)) return true
  return zone === 'nova' && (await listHosts(db, region)).some((host) => !zones.has(host.name))
}

async function hintsOf(
  db: Db,
  { region, actor }: Asked,
  hints: NonNullable<Body['os:scheduler_hints']>,
  count: number,
) {
  const lists = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat())
  const same = lists(hints.same_host)
  const different = lists(hints.different_host)
  const spokenOf = await findServers(db, region, [...same, ...different])
  for (const id of [...same, ...different]) {
    const found = spokenOf.get(id)
    if (!found || (found.projectId !== actor.projectId && !actor.isAdmin))
      invalid(`The scheduler hints name server ${id}, which could not be found.`)
  }
  const [groupId = null] = lists(hints.group)
  if (groupId !== null) {
    const group = await findGroup(db, region, groupId)
    if (!group || (group.projectId !== actor.projectId && !actor.isAdmin))
      return invalid(`ServerGroup ${groupId} could not be found.`)
    const limit =
      (await quotaLimits(db, { service: 'compute', region, projectId: group.projectId }))['server_group_members'] ?? -1
    const members = (await membersOf(db, [groupId])).get(groupId) ?? []
    if (limit >= 0 && members.length + count > limit) overQuota('Quota exceeded, too many servers in group')
  }
  const schedulerHints = {
    ...(same.length > 0 && { sameHost: same }),
    ...(different.length > 0 && { differentHost: different }),
  }
  return { groupId, schedulerHints }
}
