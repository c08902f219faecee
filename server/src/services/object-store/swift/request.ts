// One Swift request, its path taken apart.
import type { IncomingHttpHeaders } from 'node:http'
import type { Request } from '#lib/http/route.ts'
import { one } from '#lib/http/page.ts'
import type { Whose } from '../containers.ts'
import { fromHeader, refuse } from './answer.ts'

export interface SwiftRequest {
  readonly req: Request
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly account: string
  readonly projectId: string
  readonly whose: Whose
  readonly container: string | undefined
  readonly object: string | undefined
  /** The path as it was signed, decoded: with the mount, and from /v1 on. */
  signedPaths(): string[]
  /** Allowed by a signature: which paths, if not this object alone. */
  granted?: 'object' | 'prefix'
  header(name: string): string | undefined
  param(name: string): string | undefined
}

const accountPrefix = 'AUTH_'
const maxContainerBytes = 256
const maxObjectBytes = 1024

/** Throws 404 and 412 as Swift does. */
export function readRequest(req: Request, method: string): SwiftRequest {
  const raw = req.url.slice(req.view.baseUrl.length)
  const { account, container, object } = splitPath(raw)
  if (!account.startsWith(accountPrefix)) refuse(req.actor.userId === '' ? 401 : 404)
  return {
    req,
    method,
    headers: req.headers,
    account,
    projectId: account.slice(accountPrefix.length),
    whose: { region: req.region, projectId: account.slice(accountPrefix.length) },
    container,
    object,
    signedPaths() {
      const decoded = decodeURIComponent(raw)
      return [new URL(req.view.baseUrl).pathname + decoded, `/v1${decoded}`]
    },
    header: (name) => fromHeader(req.headers[name]),
    param: (name) => one(req.query, name),
  }
}

/** One of the many that a bulk request stands for: of the same asker, with only these headers and no query. */
export function subrequest(
  sr: SwiftRequest,
  method: string,
  container: string,
  object: string | undefined,
  headers: IncomingHttpHeaders = {},
): SwiftRequest {
  return {
    ...sr,
    method,
    headers,
    container,
    object,
    header: (name) => fromHeader(headers[name]),
    param: () => undefined,
  }
}

function splitPath(raw: string): { account: string; container: string | undefined; object: string | undefined } {
  let path: string
  try {
    path = decodeURIComponent(raw)
  } catch {
    return refuse(412, 'Invalid UTF8 or percent-encoding in the path')
  }
  if (path.includes('\0')) refuse(412, 'The path may not have the character U+0000')
  const [, account = '', container, ...rest] = path.split('/')
  const object = rest.length === 0 || (rest.length === 1 && rest[0] === '') ? undefined : rest.join('/')
  if (container === '' && object !== undefined) refuse(412, 'Bad URL: the container has no name')
  return { account, container: container || undefined, object }
}

/** Names that a PUT may make. Throws 400. */
export function requireNames(sr: Pick<SwiftRequest, 'container' | 'object'>): void {
  if (sr.container !== undefined && Buffer.byteLength(sr.container) > maxContainerBytes)
    refuse(400, `Container name length of ${Buffer.byteLength(sr.container)} longer than ${maxContainerBytes}`)
  if (sr.object !== undefined && Buffer.byteLength(sr.object) > maxObjectBytes)
    refuse(400, `Object name length of ${Buffer.byteLength(sr.object)} longer than ${maxObjectBytes}`)
}

/** `container/object` of a header like X-Copy-From or Destination, decoded. Throws 412. */
export function readObjectPath(value: string, header: string): { container: string; object: string } {
  let path: string
  try {
    path = decodeURIComponent(value)
  } catch {
    return refuse(412, `${header} is not valid percent-encoding`)
  }
  const match = /^\/?([^/]+)\/(.+)$/s.exec(path)
  if (!match) refuse(412, `${header} header must be of the form <container name>/<object name>`)
  return { container: match[1]!, object: match[2]! }
}
