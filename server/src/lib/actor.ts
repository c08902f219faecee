/** Who asks: what a token says, with the roles it stands for now. Frozen and shared by all requests of one token. */
export interface Actor {
  readonly userId: string
  readonly userName: string
  readonly userDomainId: string
  /** Project scope; null for domain, system and unscoped tokens. */
  readonly projectId: string | null
  readonly projectName: string | null
  readonly projectDomainId: string | null
  /** Domain scope. */
  readonly domainId: string | null
  /** System scope. */
  readonly system: boolean
  /** Names, implied ones included. */
  readonly roles: readonly string[]
  readonly isAdmin: boolean
  readonly trustId: string | null
  readonly applicationCredentialId: string | null
  /** How the user proved to be who they are, over the whole chain of tokens: 'password', 'totp', … */
  readonly methods?: readonly string[]
  /** An application credential that may not make further credentials. */
  readonly restricted?: boolean
  /** Where they are, no other request than these is allowed. */
  readonly accessRules?: readonly AccessRule[]
}

/** Who comes without a token or a key. */
export const nobody: Actor = Object.freeze({
  userId: '',
  userName: '',
  userDomainId: '',
  projectId: null,
  projectName: null,
  projectDomainId: null,
  domainId: null,
  system: false,
  roles: [],
  isAdmin: false,
  trustId: null,
  applicationCredentialId: null,
})

/** A kind of request: `service` is a catalogue type, `path` has `*` for one segment, `**` for any, `{name}` for one. */
export interface AccessRule {
  readonly service: string
  readonly method: string
  readonly path: string
}

/** Whether one of the rules allows a request to one of these services; `path` begins behind the mount, with the version. */
export function accessAllowed(
  rules: readonly AccessRule[],
  request: { services: readonly string[]; method: string; path: string },
): boolean {
  return rules.some(
    ({ service, method, path }) =>
      request.services.includes(service) &&
      (method === request.method || (method === 'GET' && request.method === 'HEAD')) &&
      pathMatches(path, request.path),
  )
}

const patterns = new Map<string, readonly string[]>()
/** The pattern's parts: `*` for one segment, `**` for any, else a text. */
function partsOf(pattern: string): readonly string[] {
  let known = patterns.get(pattern)
  if (!known) {
    known = pattern
      .split(/(\*\*|\*|\{[^}/]*\})/)
      .filter((part) => part !== '')
      .map((part) => (/^\{.*\}$/.test(part) ? '*' : part))
    if (patterns.size > 1000) patterns.clear()
    patterns.set(pattern, known)
  }
  return known
}

/**
 * Whether the whole path is as the pattern says; a slash at its end does not count. Both come from outside, so no regular
 * expression looks: for each part, from where the earlier ones may have ended, it is noted where this one may.
 */
function pathMatches(pattern: string, path: string): boolean {
  const { length } = path
  let ends = new Uint8Array(length + 1)
  ends[0] = 1
  for (const part of partsOf(pattern)) {
    const next = new Uint8Array(length + 1)
    if (part === '**') next.fill(1, ends.indexOf(1))
    else if (part === '*') {
      for (let at = 1; at <= length; at++) if (path[at - 1] !== '/') next[at] = ends[at - 1]! | next[at - 1]!
    } else {
      for (let at = ends.indexOf(1); at >= 0; at = ends.indexOf(1, at + 1))
        if (path.startsWith(part, at)) next[at + part.length] = 1
    }
    if (!next.includes(1)) return false
    ends = next
  }
  return ends[length] === 1 || (path.endsWith('/') && ends[length - 1] === 1)
}

/** The project that the actor acts in; '' for a token without one, which matches nothing. */
export function projectOf(actor: Actor): string {
  return actor.projectId ?? ''
}
