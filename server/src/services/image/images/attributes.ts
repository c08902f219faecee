// From Glance's attribute names to an image's columns, at create and by JSON patch.
import { Compile } from 'typebox/compile'
import type { Static } from 'typebox'
import { conflict, forbidden, invalid } from '#lib/fault.ts'
import { requireValid } from '#lib/http/schema.ts'
import type { Image, Visibility } from './model.ts'
import { type PatchImage, settable } from './schema.ts'

const readOnly = new Set([
  'id',
  'owner',
  'status',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'direct_url',
  'stores',
])
const reserved = new Set(['locations', 'deleted', 'deleted_at', 'is_public'])
const columns: Record<keyof typeof settable, keyof Image> = {
  name: 'name',
  visibility: 'visibility',
  protected: 'protected',
  os_hidden: 'hidden',
  tags: 'tags',
  container_format: 'containerFormat',
  disk_format: 'diskFormat',
  min_disk: 'minDisk',
  min_ram: 'minRam',
}
const checkers = Object.fromEntries(Object.entries(settable).map(([name, schema]) => [name, Compile(schema)]))
const mostProperties = 128

export type Change = Partial<Image>
/** May this actor set that visibility? Throws forbidden if not. */
export type AllowVisibility = (visibility: Visibility) => void

/** The columns for a new image. Throws forbidden for attributes that are not the client's to set. */
export function newAttributes(body: Record<string, unknown>, allow: AllowVisibility): Change {
  const change: Change = {}
  const properties: Record<string, string> = {}
  for (const [name, value] of Object.entries(body)) {
    if (name === 'id' || name === 'owner') continue
    if (isSettable(name)) setColumn(change, name, value, allow)
    else if (mayBeProperty(name) && value !== null) properties[name] = String(value)
  }
  return { ...change, properties: fewEnough(properties) }
}

/** What a patch changes. Throws invalid, forbidden or a conflict (replace or remove of what is not there). */
export function patchAttributes(
  image: Image,
  patch: Static<typeof PatchImage>,
  allow: AllowVisibility,
  mayGiveAway = false,
): Change {
  const change: Change = {}
  const properties = { ...image.properties }
  for (const operation of patch) {
    const { op, path, value } = plain(operation)
    const [name, ...more] = pointer(path)
    if (name === undefined || more.length > 0) invalid(`Invalid path ${path}: it must name one attribute.`)
    if (name === 'owner' && op === 'replace' && mayGiveAway) {
      if (typeof value !== 'string' || value.length > 255) invalid('The owner must be the id of a project.')
      change.projectId = value
    } else if (isSettable(name)) {
      if (op === 'remove') forbidden(`Property ${name} may not be removed.`)
      if (image.status !== 'queued' && (name === 'container_format' || name === 'disk_format'))
        forbidden(`Attribute ${name} can be replaced only for a queued image.`)
      setColumn(change, name, value, allow)
    } else if (mayBeProperty(name)) {
      if (op !== 'add' && !Object.hasOwn(properties, name)) conflict(`Property ${name} does not exist.`)
      if (op === 'remove') delete properties[name]
      else if (typeof value === 'string') properties[name] = value
      else invalid(`Invalid value for property ${name}: it must be a string.`)
    }
  }
  return { ...change, properties: fewEnough(properties) }
}

function setColumn(change: Change, name: keyof typeof settable, value: unknown, allow: AllowVisibility): void {
  requireValid(checkers[name]!, value, name)
  if (name === 'visibility') allow(value as Visibility)
  Object.assign(change, { [columns[name]]: name === 'tags' ? [...new Set(value as string[])] : value })
}

function isSettable(name: string): name is keyof typeof settable {
  return Object.hasOwn(settable, name)
}

function mayBeProperty(name: string): boolean {
  if (readOnly.has(name)) forbidden(`Attribute '${name}' is read-only.`)
  if (reserved.has(name) || name.startsWith('os_glance_')) forbidden(`Attribute '${name}' is reserved.`)
  if (name === '' || name.length > 255) invalid('The name of a property must have 1 to 255 characters.')
  return true
}

function fewEnough(properties: Record<string, string>): Record<string, string> {
  const count = Object.keys(properties).length
  return count > mostProperties
    ? invalid(`The limit of ${mostProperties} image properties is exceeded: ${count}.`)
    : properties
}

function plain(operation: Static<typeof PatchImage>[number]): {
  op: 'add' | 'replace' | 'remove'
  path: string
  value: unknown
} {
  const { value } = operation
  if (operation.op !== undefined && operation.path !== undefined)
    return { op: operation.op, path: operation.path, value }
  for (const op of ['add', 'replace', 'remove'] as const) {
    const path = operation[op]
    if (path !== undefined) return { op, path, value }
  }
  return invalid('Operations must have an op (add, replace or remove) and a path.')
}

// RFC 6901
function pointer(path: string): string[] {
  if (!path.startsWith('/')) invalid(`Pointer '${path}' does not start with "/".`)
  if (/~(?![01])/.test(path)) invalid(`Pointer '${path}' contains "~" that is not part of an escape.`)
  return path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}
