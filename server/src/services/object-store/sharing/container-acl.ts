// The access lists of containers, as Swift has them: who besides the owners may read or write. Pure.
import type { Actor } from '#lib/actor.ts'

/** Whether a list of users and projects names the actor; strangers are never named. */
export function listNames(list: string | null, actor: Actor): boolean {
  return actor.userId !== '' && entriesOf(list).some((entry) => names(entry, actor))
}

/** Whether a list lets in whoever comes from that page: everybody, with `.r:*`. */
export function listAdmits(list: string | null, referer: string | undefined): boolean {
  return referrerAllowed(entriesOf(list), referer)
}

/** Whether those who are let in by where they come from may list, too. */
export function admitsListing(list: string | null): boolean {
  return entriesOf(list).includes('.rlistings')
}

function entriesOf(list: string | null): string[] {
  return (list ?? '').split(',').filter(Boolean)
}

function names(entry: string, actor: Actor): boolean {
  if (entry.startsWith('.')) return false
  const colon = entry.indexOf(':')
  if (colon < 0) return actor.roles.some((role) => role.toLowerCase() === entry.toLowerCase())
  const [project, user] = [entry.slice(0, colon), entry.slice(colon + 1)]
  // names are the default domain's alone: in another one somebody else could bear them
  const projectName = actor.projectDomainId === 'default' ? actor.projectName : undefined
  const userName = actor.userDomainId === 'default' ? actor.userName : undefined
  return (
    (project === '*' || project === actor.projectId || project === projectName) &&
    (user === '*' || user === actor.userId || user === userName)
  )
}

// The last entry that fits decides.
function referrerAllowed(entries: string[], referer: string | undefined): boolean {
  let host = ''
  try {
    host = referer ? new URL(referer).hostname.toLowerCase() : ''
  } catch {
    host = ''
  }
  let allowed = false
  for (const entry of entries) {
    if (!entry.startsWith('.r:')) continue
    const denies = entry.startsWith('.r:-')
    const who = entry.slice(denies ? 4 : 3)
    if (who === '*' || who === host || (who.startsWith('.') && host.endsWith(who))) allowed = !denies
  }
  return allowed
}
