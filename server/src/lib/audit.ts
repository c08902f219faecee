// What is told of each request that the audit trail must know of: every authentication and every write. Whoever keeps the
// trail is handed to the server by app.ts; nothing secret and no body comes this way.
import type { Actor } from '#lib/actor.ts'

/** One request at its end. */
export interface AuditedRequest {
  at: Date
  requestId: string
  service: string
  region: string
  method: string
  /** The route's path with its parameters' names: '/compute/v2.1/servers/:id'. */
  pattern: string
  params: Readonly<Record<string, string>>
  /** The action's name of `POST …/action`. */
  action: string | undefined
  status: number
  /** The kind of Fault; undefined when all went well. */
  fault: string | undefined
  /** The route asks for a token, whatever its method. */
  signsIn?: boolean
  /** Where a token was made: who got it, or who it was asked for. */
  signIn: SignIn | undefined
  actor: Actor
  address: string
  /** Of what the path names, where it was loaded. */
  targetProjectId: string | undefined
  /** Of what was made. */
  createdId: string | undefined
}

/** Who asks for a token: by id, or by a name that is not known to be anyone's (it may be a password, mistyped). */
export interface SignIn {
  userId?: string | undefined
  userName?: string | undefined
  domainId?: string | undefined
  domainName?: string | undefined
  projectId?: string | undefined
  methods: readonly string[]
}

export interface Audit {
  /** Never throws, never waits. */
  record(request: AuditedRequest): void
}

const reading = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request belongs into the trail: it wrote or tried to, or it came with a token that is not good. */
export function isAudited(method: string, status: number, showedToken: boolean): boolean {
  return !reading.has(method) || (status === 401 && showedToken)
}

type Fields = Record<string, unknown>
const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, 255) : undefined)

/** The id of what a reply shows: `{"server": {"id": …}}` or `{"id": …}`. */
export function createdIdOf(content: unknown): string | undefined {
  if (typeof content !== 'object' || content === null || Buffer.isBuffer(content)) return undefined
  const fields = content as Fields
  const own = textOf(fields['id'])
  if (own !== undefined) return own
  for (const name in fields) return textOf(fieldsOf(fields[name])['id'])
  return undefined
}

/**
 * Who a request for a token is about, read from the body of `POST /auth/tokens` and, when it was given, from the token's
 * view. Undefined for bodies of another form.
 */
export function signInOf(body: unknown, content: unknown): SignIn | undefined {
  const identity = fieldsOf(fieldsOf(fieldsOf(body)['auth'])['identity'])
  const token = fieldsOf(fieldsOf(content)['token'])
  const given = fieldsOf(token['user'])
  if (Object.keys(identity).length === 0 && Object.keys(given).length === 0) return undefined
  const methods = (Array.isArray(identity['methods']) ? identity['methods'] : [])
    .filter((each): each is string => typeof each === 'string' && /^[a-z0-9_]{1,40}$/.test(each))
    .slice(0, 8)
  if (typeof given['id'] === 'string')
    return { userId: given['id'], projectId: textOf(fieldsOf(token['project'])['id']), methods }
  const proofs = ['password', 'totp', 'application_credential'].map((name) =>
    fieldsOf(fieldsOf(identity[name])['user']),
  )
  const asked = proofs.find((user) => Object.keys(user).length > 0) ?? {}
  const domain = fieldsOf(asked['domain'])
  return {
    userId: textOf(asked['id']),
    userName: textOf(asked['name']),
    domainId: textOf(domain['id']),
    domainName: textOf(domain['name']),
    methods,
  }
}
