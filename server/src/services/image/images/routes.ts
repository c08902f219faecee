import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { Fault, forbidden, invalid, notFound } from '#lib/fault.ts'
import { listPage, nextUrl, readPage } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { and, eq } from '#lib/db.ts'
import { aboutImage } from '../policy.ts'
import { openImageFile } from '../store.ts'
import { newAttributes, patchAttributes } from './attributes.ts'
import { imageFilters, memberStatusOf, visibilityOf } from './filters.ts'
import {
  enterStatus,
  getVisibleImage,
  image,
  type Image,
  insertImage,
  setTag,
  updateImage,
  visibleTo,
  type Visibility,
} from './model.ts'
import { CreateImage, oldPatchType, PatchImage, patchType } from './schema.ts'
import { deleteImage, importsOf, importStaged, stageImage, uploadImage } from './upload.ts'
import { showImage, showImport } from './views.ts'

/** Loads what the path names; unknown and invisible are the same. */
export const imageOf = (req: Request) => getVisibleImage(req.db, req.region, req.params['id'] ?? '', req.actor)

const ownerOf = ({ body, actor }: Pick<Request, 'body' | 'actor'>): string | null =>
  (body as { owner?: string }).owner ?? actor.projectId

/** What rules are asked about an image that is to be made. */
function aboutNew(req: Pick<Request, 'body' | 'actor'>): Record<string, unknown> {
  const { visibility = 'shared' } = req.body as { visibility?: string }
  const owner = ownerOf(req)
  return { project_id: owner, tenant_id: owner, owner, visibility }
}

const allowVisibility = (req: Request, found?: Image) => (visibility: Visibility) => {
  const about = found ? aboutImage(found, req) : { project_id: req.actor.projectId, owner: req.actor.projectId }
  if (visibility === 'public') req.require('publicize_image', about)
  if (visibility === 'community') req.require('communitize_image', about)
}

const sortable = {
  id: image.id,
  name: image.name,
  status: image.status,
  container_format: image.containerFormat,
  disk_format: image.diskFormat,
  size: image.size,
  created_at: image.createdAt,
  updated_at: image.updatedAt,
}

export const imageRoutes = [
  route({
    method: 'POST',
    path: '/images',
    policy: 'add_image',
    body: CreateImage,
    status: 201,
    target: async () => undefined,
    policyTarget: (_none, req) => aboutNew(req),
    async handle(req) {
      const body = req.body as Record<string, unknown>
      const owner = ownerOf(req)
      const attributes = newAttributes(body, allowVisibility(req))
      const id = body['id'] as string | undefined
      const made = await req.db.transaction((tx) =>
        insertImage(tx, { ...attributes, ...(id && { id: id.toLowerCase() }), region: req.region, projectId: owner }),
      )
      return reply({
        status: 201,
        body: showImage(made, req.view),
        headers: {
          location: `${req.view.baseUrl}/images/${made.id}`,
          'openstack-image-import-methods': 'glance-direct',
        },
      })
    },
  }),
  route({
    method: 'GET',
    path: '/images',
    policy: 'get_images',
    async handle(req) {
      const page = readPage(req.query, {
        sortable,
        defaultSort: [{ column: image.createdAt, descending: true }],
        defaultLimit: 25,
      })
      if (req.query['sort_key'] !== undefined && req.query['sort_dir'] === undefined)
        for (const sort of page.sorts) sort.descending = true
      const where = and(
        eq(image.region, req.region),
        visibleTo(req.actor, visibilityOf(req.query), memberStatusOf(req.query)),
        imageFilters(req.query),
      )
      const { rows, more } = await listPage(req.db, image, image.id, where, page)
      const last = rows.at(-1)
      const search = (url: string) => url.slice(url.indexOf('?'))
      const plain = new URLSearchParams(
        Object.entries(req.query).flatMap(([k, v]) =>
          k === 'marker' ? [] : [v].flat().map((each) => [k, each] as [string, string]),
        ),
      )
      return {
        images: rows.map((row) => showImage(row, req.view)),
        first: `/v2/images${plain.size > 0 ? `?${plain}` : ''}`,
        schema: '/v2/schemas/images',
        ...(more && last && { next: `/v2/images${search(nextUrl(req, last.id))}` }),
      }
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id',
    policy: 'get_image',
    target: imageOf,
    policyTarget: aboutImage,
    handle: async (req, found) => showImage(found, req.view),
  }),
  route({
    method: 'PATCH',
    path: '/images/:id',
    policy: 'modify_image',
    accepts: [patchType, oldPatchType],
    body: PatchImage,
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      const type = req.headers['content-type']?.split(';')[0]
      if (type !== patchType && type !== oldPatchType)
        throw new Fault('unsupportedMedia', `The content type must be ${patchType}.`)
      const change = patchAttributes(found, req.body, allowVisibility(req, found), req.actor.isAdmin)
      return showImage(await req.db.transaction((tx) => updateImage(tx, found.id, change)), req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/images/:id',
    policy: 'delete_image',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      await req.db.transaction((tx) => deleteImage(tx, found.id, req.origin))
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/file',
    policy: 'upload_image',
    stream: true,
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      requireFormats(found)
      await uploadImage(req.world, found, requireBytes(req))
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/stage',
    policy: 'modify_image',
    stream: true,
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      await stageImage(req.world, found, requireBytes(req))
    },
  }),
  route({
    method: 'POST',
    path: '/images/:id/import',
    policy: 'modify_image',
    body: Type.Object({ method: Type.Object({ name: Type.String() }) }),
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      const { name } = req.body.method
      if (name !== 'glance-direct') invalid(`Unknown import method '${name}': this cloud offers glance-direct.`)
      requireFormats(found)
      if (found.status !== 'uploading')
        throw new Fault(
          'conflict',
          `Image status transition from ${found.status} to importing is not allowed: stage its data first.`,
        )
      await req.db.transaction((tx) => importStaged(tx, found, req.origin))
      return reply({ status: 202 })
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id/file',
    policy: 'download_image',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      if (found.status === 'deactivated' && !req.actor.isAdmin)
        forbidden('The requested image has been deactivated. Image data download is forbidden.')
      if (found.file === null || found.size === null || (found.status !== 'active' && found.status !== 'deactivated'))
        return reply({ status: 204 })
      const range = readRange(req.headers.range, found.size)
      const headers = {
        'content-type': 'application/octet-stream',
        'content-length': String(range ? range.end - range.start + 1 : found.size),
        ...(found.checksum && { 'content-md5': found.checksum }),
        ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${found.size}` }),
      }
      if (found.size === 0) return reply({ status: 200, body: Buffer.alloc(0), headers })
      return reply({
        status: range ? 206 : 200,
        body: await openImageFile(req.world.config, found.file, range),
        headers,
      })
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/tags/:tag',
    policy: 'modify_image',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      const tag = req.params['tag'] ?? ''
      if (tag.length > 255) invalid('A tag must have 1 to 255 characters.')
      await req.db.transaction((tx) => setTag(tx, found.id, tag, true))
    },
  }),
  route({
    method: 'DELETE',
    path: '/images/:id/tags/:tag',
    policy: 'modify_image',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, found) {
      const tag = req.params['tag'] ?? ''
      if (!found.tags.includes(tag)) notFound('Tag', tag)
      await req.db.transaction((tx) => setTag(tx, found.id, tag, false))
    },
  }),
  ...(['deactivate', 'reactivate'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `/images/:id/actions/${verb}`,
      policy: verb,
      target: imageOf,
      policyTarget: aboutImage,
      async handle(req, found) {
        await req.db.transaction((tx) => enterStatus(tx, found.id, verb === 'deactivate' ? 'deactivated' : 'active'))
      },
    }),
  ),
  route({
    method: 'GET',
    path: '/images/:id/tasks',
    policy: 'get_image',
    target: imageOf,
    policyTarget: aboutImage,
    handle: async ({ db }, found) => ({ tasks: (await importsOf(db, found.id)).map(showImport) }),
  }),
]

function requireFormats(found: Image): void {
  if (found.diskFormat === null || found.containerFormat === null)
    invalid('Properties disk_format and container_format must be set before the data is uploaded.')
}

function requireBytes(req: Request): Readable {
  const type = req.headers['content-type']?.split(';')[0]
  if (type !== undefined && type !== 'application/octet-stream')
    throw new Fault('unsupportedMedia', `The content type ${type} is not supported; send application/octet-stream.`)
  return req.stream
}

/** One byte range (RFC 9110 §14.2); undefined for all. Throws badRange. */
function readRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim())
  const outside = () => {
    throw new Fault('badRange', `The range ${header} does not lie within the ${size} bytes of the image.`)
  }
  if (!match || (match[1] === '' && match[2] === '')) return outside()
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  return start > end || start >= size ? outside() : { start, end }
}
