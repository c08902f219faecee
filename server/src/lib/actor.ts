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
      patternOf(path).test(request.path),
  )
}

const patterns = new Map<string, RegExp>()
function patternOf(path: string): RegExp {
  let known = patterns.get(path)
  if (!known) {
    const source = path
      .split(/(\*\*|\*|\{[^}/]*\})/)
      .map((part) =>
        part === '**' ? '.*' : /^(\*|\{.*\})$/.test(part) ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'),
      )
      .join('')
    if (patterns.size > 1000) patterns.clear()
    patterns.set(path, (known = new RegExp(`^${source}/?$`)))
  }
  return known
}

/** The project that the actor acts in; '' for a token without one, which matches nothing. */
export function projectOf(actor: Actor): string {
  return actor.projectId ?? ''
}
