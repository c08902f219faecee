// PUT, POST, GET, HEAD, DELETE of a container.
import {
  type ContainerChanges,
  changeContainer,
  containerUse,
  ensureContainer,
  removeContainer,
} from '../containers.ts'
import { listObjects, listVersions } from '../listing.ts'
import { type Container, standard } from '../model.ts'
import { cleanAcl, isOwner, requireAccess } from './access.ts'
import { type Answer, refuse, timestampOf, toHeader } from './answer.ts'
import { objectList, readFormat, readVersion, readWindow } from './lists.ts'
import type { State } from './load.ts'
import { metadataHeaders, readMetadata } from './metadata.ts'
import { requireNames, type SwiftRequest } from './request.ts'
import { policyOf, readPolicy } from './storage-policies.ts'

export async function answerContainer(sr: SwiftRequest, state: State): Promise<Answer> {
  const name = sr.container!
  switch (sr.method) {
    case 'PUT': {
      requireAccess(sr, 'container-write', state.container)
      requireNames(sr)
      const changes = readChanges(sr, state.container)
      const asked = readPolicy(sr.req.world, sr.header('x-storage-policy'))
      const created = await sr.req.db.transaction(async (tx) => {
        const made = await ensureContainer(tx, sr.whose, name, changes, asked)
        const has = made.container.storageClass ?? standard
        if (asked !== undefined && asked !== has)
          refuse(409, `Requested storage policy '${policyOf(asked)}' conflicts with existing '${policyOf(has)}'.`)
        return made.created
      })
      return { status: created ? 201 : 202, headers: {} }
    }
    case 'POST': {
      requireAccess(sr, 'container-write', state.container)
      if (!state.container) refuse(404)
      const changes = readChanges(sr, state.container)
      await sr.req.db.transaction((tx) => changeContainer(tx, sr.whose, name, changes))
      return { status: 204, headers: {} }
    }
    case 'DELETE':
      requireAccess(sr, 'container-write', state.container)
      await sr.req.db.transaction((tx) => removeContainer(tx, sr.whose, name))
      return { status: 204, headers: {} }
    case 'GET':
    case 'HEAD':
      requireAccess(sr, 'list', state.container)
      if (!state.container) refuse(404)
      return show(sr, state.container)
    default:
      return refuse(405)
  }
}

async function show(sr: SwiftRequest, container: Container): Promise<Answer> {
  const format = readFormat(sr)
  const page = readWindow(sr)
  const headers = await containerHeaders(sr, container)
  if (sr.method === 'HEAD') return { status: 204, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers } }
  const { db } = sr.req
  const path = sr.param('path')
  if (sr.param('versions') !== undefined) {
    const marker = sr.param('version_marker')
    const rows = await listVersions(
      db,
      container.id,
      { ...page, delimiter: '' },
      marker ? readVersion(marker) : undefined,
    )
    const list = objectList(format === 'plain' ? 'json' : format, container.name, rows)
    return { ...list, headers: { ...headers, ...list.headers } }
  }
  let rows
  if (path === undefined)
    rows = await listObjects(db, container.id, { ...page, delimiter: sr.param('delimiter') ?? '' })
  else {
    // the objects of a pseudo-folder, without what lies deeper
    const folder = path === '' || path.endsWith('/') ? path : `${path}/`
    const all = await listObjects(db, container.id, { ...page, prefix: folder, delimiter: '/' })
    rows = all.filter((row) => !('subdir' in row) && row.name !== folder)
  }
  const list = objectList(format, container.name, rows)
  return { ...list, headers: { ...headers, ...list.headers } }
}

async function containerHeaders(sr: SwiftRequest, container: Container): Promise<Record<string, string>> {
  const use = await containerUse(sr.req.db, container.id)
  const headers: Record<string, string> = {
    'X-Container-Object-Count': String(use.objects),
    'X-Container-Bytes-Used': String(use.bytes),
    'X-Timestamp': timestampOf(container.createdAt),
    'Last-Modified': container.updatedAt.toUTCString(),
    'X-Storage-Policy': policyOf(container.storageClass),
    'Accept-Ranges': 'bytes',
    ...metadataHeaders('container', container.metadata),
  }
  const { versions, versionsLocation, readAcl, writeAcl } = container
  if (versions === 'enabled' || versions === 'suspended')
    headers['X-Versions-Enabled'] = versions === 'enabled' ? 'True' : 'False'
  if (versions === 'stack') headers['X-Versions-Location'] = toHeader(versionsLocation ?? '')
  if (versions === 'history') headers['X-History-Location'] = toHeader(versionsLocation ?? '')
  if (isOwner(sr, 'container-write')) {
    if (readAcl) headers['X-Container-Read'] = toHeader(readAcl)
    if (writeAcl) headers['X-Container-Write'] = toHeader(writeAcl)
  } else for (const secret of ['Temp-Url-Key', 'Temp-Url-Key-2']) delete headers[`X-Container-Meta-${secret}`]
  return headers
}

function readChanges(sr: SwiftRequest, now: Container | undefined): ContainerChanges {
  const changes: ContainerChanges = { metadata: readMetadata(sr, 'container') }
  for (const quota of ['quota-bytes', 'quota-count'])
    if (!/^\d*$/.test(changes.metadata[quota] ?? ''))
      refuse(400, `Invalid ${quota === 'quota-bytes' ? 'bytes' : 'count'} quota.`)
  const acl = (kind: 'read' | 'write') => {
    const value = sr.header(`x-container-${kind}`) ?? (sr.header(`x-remove-container-${kind}`) && '')
    return value === undefined ? undefined : cleanAcl(value, kind) || null
  }
  const [readAcl, writeAcl] = [acl('read'), acl('write')]
  if (readAcl !== undefined) changes.readAcl = readAcl
  if (writeAcl !== undefined) changes.writeAcl = writeAcl
  if (sr.header('x-container-sync-to') || sr.header('x-container-sync-key'))
    refuse(400, 'Containers are not synchronised to other clouds here; X-Container-Sync-To cannot be set.')
  readVersioning(sr, now, changes)
  return changes
}

function readVersioning(sr: SwiftRequest, now: Container | undefined, changes: ContainerChanges): void {
  const enabled = sr.header('x-versions-enabled')
  const stack = sr.header('x-versions-location')
  const history = sr.header('x-history-location')
  const mode = sr.header('x-versions-mode')?.toLowerCase()
  const removed = sr.header('x-remove-versions-location') || sr.header('x-remove-history-location')
  if (enabled !== undefined) {
    if (stack || history || now?.versionsLocation)
      refuse(400, 'A container has either X-Versions-Enabled or a versions location, not both.')
    changes.versions = /^(true|1|yes|on|t|y)$/i.test(enabled) ? 'enabled' : now?.versions ? 'suspended' : null
    return
  }
  const location = stack || history
  if (location) {
    if (stack && history) refuse(400, 'Only one of X-Versions-Location and X-History-Location may be specified')
    if (location.includes('/')) refuse(400, 'A versions location names a container; it may not have a slash.')
    if (now?.versions === 'enabled')
      refuse(400, 'A container has either X-Versions-Enabled or a versions location, not both.')
    if (mode && mode !== 'stack' && mode !== 'history') refuse(400, 'X-Versions-Mode must be stack or history')
    changes.versions = history || mode === 'history' ? 'history' : 'stack'
    changes.versionsLocation = location
  } else if (removed || stack === '' || history === '') {
    if (now?.versionsLocation) changes.versions = null
    changes.versionsLocation = null
  }
}
