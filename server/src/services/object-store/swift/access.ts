// Who may do what: the owner by policy, others by the access lists of a container.
import { admitsListing, listAdmits, listNames } from '../sharing/container-acl.ts'
import type { Container } from '../model.ts'
import { refuse } from './answer.ts'
import type { SwiftRequest } from './request.ts'

export type Deed = 'account-read' | 'account-write' | 'list' | 'container-write' | 'object-read' | 'object-write'

/** Whether the one who asks owns the account (as far as this deed goes). */
export function isOwner(sr: SwiftRequest, deed: Deed): boolean {
  const reads = deed === 'account-read' || deed === 'list' || deed === 'object-read'
  return sr.req.allows(reads ? 'account:read' : 'account:write', { project_id: sr.projectId })
}

/** Throws 401 for strangers, 403 for those who are known. */
export function requireAccess(sr: SwiftRequest, deed: Deed, container: Container | undefined): void {
  if (!isAllowed(sr, deed, container)) deny(sr)
}

export function deny(sr: SwiftRequest): never {
  return sr.req.actor.userId === '' ? refuse(401) : refuse(403)
}

export function isAllowed(sr: SwiftRequest, deed: Deed, container: Container | undefined): boolean {
  if (sr.granted === 'prefix' && (deed === 'object-read' || deed === 'object-write')) return true
  if (sr.granted === 'object' && (deed === 'object-read' || deed === 'object-write')) return true
  if (isOwner(sr, deed)) return true
  if (!container || deed === 'account-read' || deed === 'account-write' || deed === 'container-write') return false
  const list = deed === 'object-write' ? container.writeAcl : container.readAcl
  if (listNames(list, sr.req.actor)) return true
  if (deed === 'object-write') return false
  return listAdmits(list, sr.header('referer')) && (deed !== 'list' || admitsListing(list))
}

/** An access list in its usual form. Throws 400 for one that cannot be. */
export function cleanAcl(value: string, kind: 'read' | 'write'): string {
  const entries: string[] = []
  for (const raw of value.split(',')) {
    let entry = raw.trim()
    if (entry === '') continue
    const match = /^\.(r|ref|referer|referrer)\s*:\s*(-?)\s*(.*)$/.exec(entry)
    if (match) {
      if (kind === 'write') refuse(400, `X-Container-Write header value must not name referrers: ${entry}`)
      let host = match[3]!.trim()
      if (host.startsWith('*.')) host = host.slice(1)
      if (host === '' || host === '.') refuse(400, `No host in the access list entry ${entry}`)
      entry = `.r:${match[2]}${host}`
    } else if (entry.startsWith('.') && entry !== '.rlistings') {
      refuse(400, `Unknown designator in the access list entry ${entry}`)
    } else if (entry === '.rlistings' && kind === 'write') refuse(400, '.rlistings is of use in X-Container-Read only')
    entries.push(entry)
  }
  return entries.join(',')
}
