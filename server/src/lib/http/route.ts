// Routes as data: what a service answers, without how it travels. `serve.ts` and `handle.ts` turn them into HTTP.
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Static, TSchema } from 'typebox'
import type { Actor } from '#lib/actor.ts'
import type { SignIn } from '#lib/audit.ts'
import type { Db } from '#lib/db.ts'
import type { Subscriptions } from '#lib/event.ts'
import type { FaultKind } from '#lib/fault.ts'
import { Fault } from '#lib/fault.ts'
import type { Log } from '#lib/log.ts'
import type { Version, VersionRange } from '#lib/microversion.ts'
import type { Enforcer, Policies, RenamedPolicies } from '#lib/policy.ts'
import type { QuotaResources } from '#lib/quota.ts'
import type { Viewer } from '#lib/view.ts'
import type { World } from '#lib/world.ts'

type Shape<Schema> = Schema extends TSchema ? Static<Schema> : undefined
export type QueryValues = Record<string, string | string[]>

/** What a handler is given. */
export interface Request<Body = unknown> {
  readonly actor: Actor
  readonly db: World['db']
  readonly world: World
  readonly body: Body
  /** Repeated keys are arrays. */
  readonly query: QueryValues
  readonly params: Readonly<Record<string, string>>
  readonly headers: IncomingHttpHeaders
  readonly version: Version
  /** Hand it to a view. */
  readonly view: Viewer
  readonly region: string
  readonly requestId: string
  /** The path asked for, under the public address, without the query. */
  readonly url: string
  readonly remoteAddress: string
  readonly log: Log
  /** Ends when the client goes away. */
  readonly signal: AbortSignal
  /** The body, unread: only on routes with `stream`. */
  readonly stream: Readable
  /** What startTask wants to know of the one who asks. */
  readonly origin: { region: string; projectId: string | null; userId: string; requestId: string }
  allows(rule: string, target?: Record<string, unknown>): boolean
  /** Throws forbidden. */
  require(rule: string, target?: Record<string, unknown>): void
}

/** A reply with a status or headers of its own. */
export interface Reply {
  readonly [replyMark]: true
  readonly status: number | undefined
  readonly body: unknown
  readonly headers: Record<string, string>
  readonly bare: boolean
  readonly signIn: SignIn | undefined
  readonly isHalfway: boolean
}
const replyMark = Symbol('reply')

/**
 * `body`: JSON, or a Readable, Buffer or string with a content-type header; undefined: none. `bare`: exactly these headers
 * go out (and the request ids), whatever the status: for APIs that say more in headers than the usual ones. `signIn`: who got
 * a token, where the body does not say so as Keystone's does. `isHalfway`: a sign-in goes on with the next request, so this one
 * is nothing for the trail.
 */
export function reply(parts: {
  status?: number
  body?: unknown
  headers?: Record<string, string>
  bare?: boolean
  signIn?: SignIn
  isHalfway?: boolean
}): Reply {
  return {
    [replyMark]: true,
    status: parts.status,
    body: parts.body,
    headers: parts.headers ?? {},
    bare: parts.bare ?? false,
    signIn: parts.signIn,
    isHalfway: parts.isHalfway ?? false,
  }
}
export function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && replyMark in value
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'COPY' | 'OPTIONS'

interface RouteSpec<Body extends TSchema | undefined, Target> {
  method: Method
  /** Below the service's mount and prefix: '/servers/:id'. */
  path: string
  /**
   * The rule that must allow it, or 'public' (no token is asked for), 'authenticated' (the handler checks itself) or
   * 'optional' (a token is read where there is one, and the handler decides what strangers may).
   */
  policy: string
  /** First and last version that has it. */
  since?: string
  until?: string
  body?: Body
  /** Content types other than application/json. */
  accepts?: string[]
  /** The status of success; 200 unless said, 204 where nothing is returned. */
  status?: number
  /** The body is not read: the handler takes `stream`. */
  stream?: boolean
  /** It asks for a token, whatever its method. */
  signsIn?: boolean
  /**
   * Loads what the path names, before the policy is asked about it. Throws notFound for what the actor may not know of.
   */
  target?: (req: Request<Shape<Body>>) => Promise<Target>
  /** What the policy is asked about; by default project_id and user_id of the target, or of the actor without one. */
  policyTarget?: (target: Target, req: Request<Shape<Body>>) => Record<string, unknown>
  handle(req: Request<Shape<Body>>, target: Target): Promise<unknown>
}

export interface Route {
  readonly method: Method
  readonly path: string
  readonly policy: string
  readonly since: string | undefined
  readonly until: string | undefined
  readonly body: TSchema | undefined
  readonly accepts: readonly string[] | undefined
  readonly status: number | undefined
  readonly stream: boolean
  readonly signsIn: boolean
  readonly target: ((req: Request<never>) => Promise<unknown>) | undefined
  readonly policyTarget: ((target: never, req: Request<never>) => Record<string, unknown>) | undefined
  readonly handle: (req: Request<never>, target: never) => Promise<unknown>
  /** For `POST …/action`: what the body's one key may be. */
  readonly actions: Readonly<Record<string, Route>> | undefined
}

/** Declares a route. Without `policy` it does not compile. */
export function route<Body extends TSchema | undefined = undefined, Target = undefined>(
  spec: RouteSpec<Body, Target>,
): Route {
  const {
    method,
    path,
    policy,
    since,
    until,
    body,
    accepts,
    status,
    stream = false,
    signsIn = false,
    target,
    policyTarget,
    handle,
  } = spec
  return {
    method,
    path,
    policy,
    since,
    until,
    body,
    accepts,
    status,
    stream,
    signsIn,
    target,
    policyTarget,
    handle,
    actions: undefined,
  } as unknown as Route
}

type ActionSpec<Body extends TSchema, Target> = Omit<
  RouteSpec<Body, Target>,
  'method' | 'path' | 'stream' | 'accepts'
> & { body: Body }

/** One action of `POST …/action`; `body` is the schema of what stands under the action's key. */
export function action<Body extends TSchema, Target = undefined>(spec: ActionSpec<Body, Target>): Route {
  return route<Body, Target>({ ...spec, method: 'POST', path: '' })
}

/** `POST <path>` whose body has one key, the action's name. An unknown one is a 400. */
export function actions(path: string, byName: Record<string, Route>): Route {
  const made = route({ method: 'POST', path, policy: 'authenticated', handle: async () => undefined })
  return { ...made, actions: byName }
}

export interface Envelope {
  body: unknown
  headers?: Record<string, string>
}

/** A service, whole: what app.ts mounts. */
export interface Service {
  /** Its folder's name; also the name of its policy file. */
  readonly name: string
  /** Where it is mounted: '/compute'. Regional services are also under '/regions/<region>/compute'. */
  readonly mount: string
  /** The version part of its paths: '/v2.1'; '' for none. */
  readonly prefix: string
  /** An earlier prefix that clients may still use: '/v2'. The same routes answer. */
  readonly olderPrefix?: string
  readonly regional: boolean
  /** How it stands in the catalogue: type, name and path; the path begins with the mount. */
  readonly catalog: readonly { type: string; name: string; path: string }[]
  readonly versions?: VersionRange
  /** An error in the form that the service's clients expect. */
  envelope(fault: Fault, status: number, requestId: string): Envelope
  /** Where the status for a kind of fault is not the usual one. */
  readonly statuses?: Partial<Record<FaultKind, number>>
  readonly policies: Policies
  readonly renamedPolicies?: RenamedPolicies
  readonly quotas?: QuotaResources
  readonly routes: readonly Route[]
  /** Below the mount alone: version documents. */
  readonly rootRoutes?: readonly Route[]
  readonly subscriptions?: Subscriptions
  /** True: parameters named `id` or `…Id` are uuids, and anything else is not found. */
  readonly uuidParams: boolean
  /** Headers of every reply besides x-openstack-request-id that carry the request id. */
  readonly requestIdHeaders?: readonly string[]
}

export type { Db, Enforcer }
