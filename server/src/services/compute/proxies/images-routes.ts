// `images`, until 2.35 (their metadata until 2.38): the image service's images as compute showed them.
import { Type } from 'typebox'
import { forbidden, Fault, invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { isUuid } from '#lib/id.ts'
import type { Viewer } from '#lib/view.ts'
import {
  changeProperties,
  deleteImage,
  getVisibleImage,
  type Image,
  type ImageFilter,
  type ImageStatus,
  listImages,
} from '#image'
import { metadataOf } from '../servers/requests.ts'
import { bookmarkBase, iso, links, Metadata, queryCount } from '../wire.ts'
import { lastProxy } from './asker.ts'

const until = lastProxy
const metadataUntil = '2.38'
const policy = 'os_compute_api:image-metadata'
const most = 1000

const words: Readonly<Record<ImageStatus, [status: string, progress: number]>> = {
  queued: ['SAVING', 25],
  saving: ['SAVING', 50],
  uploading: ['SAVING', 50],
  importing: ['SAVING', 50],
  active: ['ACTIVE', 100],
  deactivated: ['UNKNOWN', 0],
  killed: ['ERROR', 0],
}

function linksOf(id: string, viewer: Viewer) {
  const service = bookmarkBase(viewer).replace(/\/compute$/, '/image')
  const alternate = { rel: 'alternate', type: 'application/vnd.openstack.image', href: `${service}/images/${id}` }
  return [...links(viewer, 'images', id), alternate]
}
const showBrief = ({ id, name }: Image, viewer: Viewer) => ({ id, name, links: linksOf(id, viewer) })

function showImage(image: Image, viewer: Viewer) {
  const [status, progress] = words[image.status]
  const { instance_uuid: serverId, auto_disk_config: auto } = image.properties
  return {
    ...showBrief(image, viewer),
    status,
    progress,
    created: iso(image.createdAt),
    updated: iso(image.updatedAt),
    minDisk: image.minDisk,
    minRam: image.minRam,
    metadata: image.properties,
    'OS-EXT-IMG-SIZE:size': image.size,
    ...(auto !== undefined && { 'OS-DCF:diskConfig': /^true$/i.test(auto) ? 'AUTO' : 'MANUAL' }),
    ...(serverId !== undefined && { server: { id: serverId, links: links(viewer, 'servers', serverId) } }),
  }
}

function filterOf({ query }: Pick<Request, 'query'>): ImageFilter {
  const status = one(query, 'status')
  const since = one(query, 'changes-since')
  const changedSince = since === undefined ? undefined : new Date(since)
  if (Number.isNaN(changedSince?.getTime())) invalid(`Invalid changes-since '${since}': it must be a time.`)
  // by id, or by the server's whole address
  const server = one(query, 'server')?.split('/').at(-1)
  const type = one(query, 'type')
  return {
    name: one(query, 'name'),
    statuses:
      status === undefined
        ? undefined
        : (Object.keys(words) as ImageStatus[]).filter((each) => words[each][0] === status.toUpperCase()),
    minRamMb: queryCount(query, 'minRam'),
    minDiskGb: queryCount(query, 'minDisk'),
    changedSince,
    properties: {
      ...(server !== undefined && { instance_uuid: server }),
      ...(type !== undefined && { image_type: type }),
    },
  }
}

async function list(req: Request, show: (image: Image, viewer: Viewer) => unknown) {
  const { db, region, actor, query, view: viewer } = req
  const limit = Math.min(queryCount(query, 'limit') ?? most, most)
  const marker = one(query, 'marker')
  if (marker !== undefined && !isUuid(marker)) invalid(`marker [${marker}] not found`)
  const rows = await listImages(db, region, actor, filterOf(req), { limit, marker })
  const params = new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) =>
      key === 'marker' ? [] : [value].flat().map((each) => [key, each] as [string, string]),
    ),
  )
  const last = rows.at(-1)
  if (last) params.set('marker', last.id)
  const more = last && rows.length === limit && query['limit'] !== undefined
  return {
    images: rows.map((row) => show(row, viewer)),
    ...(more && { images_links: [{ rel: 'next', href: `${req.url}?${params}` }] }),
  }
}

const target = (req: Request) => getVisibleImage(req.db, req.region, req.params['id']!, req.actor)
/** Everybody who sees an image may read it here; what changes it asks for its owner. */
const ownProject = (_target: Image, { actor }: Request) => ({ project_id: actor.projectId })

function requireOwner(image: Image, { actor }: Pick<Request, 'actor'>): void {
  if (image.projectId !== actor.projectId && !actor.isAdmin)
    forbidden(`You are not allowed to change the image ${image.id}: it belongs to another project.`)
}

async function setMetadata(
  req: Request,
  image: Image,
  change: (before: Readonly<Record<string, string>>) => Record<string, string>,
) {
  requireOwner(image, req)
  await metadataOf(req, change(image.properties))
  return req.db.transaction((tx) => changeProperties(tx, image.id, change))
}
const noItem = (key: string): never => {
  throw new Fault('notFound', `Metadata item ${key} was not found`)
}

export const imageProxyRoutes = [
  route({
    method: 'GET',
    path: '/images',
    until,
    policy: `${policy}:index`,
    handle: (req) => list(req, showBrief),
  }),
  route({
    method: 'GET',
    path: '/images/detail',
    until,
    policy: `${policy}:index`,
    handle: (req) => list(req, showImage),
  }),
  route({
    method: 'GET',
    path: '/images/:id',
    until,
    policy: `${policy}:show`,
    target,
    policyTarget: ownProject,
    handle: async ({ view: viewer }, image) => ({ image: showImage(image, viewer) }),
  }),
  route({
    method: 'DELETE',
    path: '/images/:id',
    until,
    policy: `${policy}:delete`,
    target,
    policyTarget: ownProject,
    async handle(req, image) {
      requireOwner(image, req)
      await req.db.transaction((tx) => deleteImage(tx, image.id, req.origin))
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id/metadata',
    until: metadataUntil,
    policy: `${policy}:index`,
    target,
    policyTarget: ownProject,
    handle: async (_req, image) => ({ metadata: image.properties }),
  }),
  route({
    method: 'POST',
    path: '/images/:id/metadata',
    until: metadataUntil,
    policy: `${policy}:create`,
    body: strict({ metadata: Metadata }),
    target,
    policyTarget: ownProject,
    async handle(req, image) {
      return { metadata: await setMetadata(req, image, (before) => ({ ...before, ...req.body.metadata })) }
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/metadata',
    until: metadataUntil,
    policy: `${policy}:update_all`,
    body: strict({ metadata: Metadata }),
    target,
    policyTarget: ownProject,
    async handle(req, image) {
      return { metadata: await setMetadata(req, image, () => req.body.metadata) }
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id/metadata/:key',
    until: metadataUntil,
    policy: `${policy}:show`,
    target,
    policyTarget: ownProject,
    async handle({ params }, { properties }) {
      const key = params['key']!
      return { meta: { [key]: properties[key] ?? noItem(key) } }
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/metadata/:key',
    until: metadataUntil,
    policy: `${policy}:update`,
    body: strict({ meta: Type.Intersect([Metadata, Type.Object({}, { minProperties: 1, maxProperties: 1 })]) }),
    target,
    policyTarget: ownProject,
    async handle(req, image) {
      const key = req.params['key']!
      const value = req.body.meta[key] ?? invalid('Request body and URI mismatch')
      await setMetadata(req, image, (before) => ({ ...before, [key]: value }))
      return { meta: { [key]: value } }
    },
  }),
  route({
    method: 'DELETE',
    path: '/images/:id/metadata/:key',
    until: metadataUntil,
    policy: `${policy}:delete`,
    target,
    policyTarget: ownProject,
    async handle(req, image) {
      const key = req.params['key']!
      if (image.properties[key] === undefined) noItem(key)
      await setMetadata(req, image, (before) =>
        Object.fromEntries(Object.entries(before).filter(([name]) => name !== key)),
      )
    },
  }),
]
