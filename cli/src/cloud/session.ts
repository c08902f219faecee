import type { Readable, Writable } from 'node:stream'
import type { Credentials } from '../credentials.ts'
import { stop, Trouble } from '../trouble.ts'
import { exchange, type Reply } from './http.ts'

export interface Session {
  token: string
  projectId: string
  userId: string
  /** The URL of a service's public endpoint in our region, with the version the CLI speaks; by catalogue type. */
  endpoint(type: keyof typeof versions): string
  /** Where /tasks and /agent lie. */
  base: string
}

// The catalogue may give an endpoint with or without its version.
const versions = { compute: '', network: '/v2.0', image: '/v2', identity: '' } as const

interface Catalogue {
  token: {
    user: { id: string }
    project?: { id: string }
    catalog?: { type: string; endpoints: { interface: string; region_id?: string; region?: string; url: string }[] }[]
  }
}

/**
 * Signs in by password: for the project, or for the system as a whole (then there is no projectId). A refusal or a cloud
 * that does not answer becomes a sentence.
 */
export async function signIn(credentials: Credentials, where: { system?: boolean } = {}): Promise<Session> {
  const { authUrl, username, password, projectName, userDomainName, projectDomainName, regionName } = credentials
  const identity = authUrl.replace(/\/+$/, '').replace(/(\/v3)?$/, '/v3')
  const auth = {
    identity: {
      methods: ['password'],
      password: { user: { name: username, password, domain: { name: userDomainName } } },
    },
    scope: where.system
      ? { system: { all: true } }
      : { project: { name: projectName, domain: { name: projectDomainName } } },
  }
  const reply = await send('POST', `${identity}/auth/tokens`, {}, { auth })
  if (reply.status === 401) stop(`The cloud at ${authUrl} does not accept the password of user '${username}'.`)
  const token = reply.headers['x-subject-token']
  if (reply.status !== 201 || typeof token !== 'string') stop(`Signing in at ${authUrl} failed: ${complaint(reply)}`)
  const { user, project, catalog = [] } = (JSON.parse(reply.text) as Catalogue).token
  return {
    token,
    userId: user.id,
    projectId:
      project?.id ?? (where.system ? '' : undefined) ?? stop(`The token of user '${username}' has no project.`),
    base: identity.replace(/(\/identity)?\/v3$/, ''),
    endpoint(type) {
      const endpoints = catalog.find((service) => service.type === type)?.endpoints ?? []
      const found = endpoints.find((e) => e.interface === 'public' && (e.region_id ?? e.region) === regionName)
      const url =
        found?.url.replace(/\/+$/, '') ?? stop(`The catalogue has no ${type} endpoint in region ${regionName}.`)
      const version = versions[type]
      return url.endsWith(version) ? url : url + version
    },
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'

/** One request; anything but a 2xx answer ends with a sentence that holds the cloud's own. Answers the JSON body. */
export async function request<T>(session: Session, method: Method, url: string, body?: object): Promise<T> {
  const reply = await send(method, url, { 'x-auth-token': session.token }, body)
  if (!isFine(reply)) throw new Refused(method, url, reply.status, complaint(reply))
  return (reply.text === '' ? undefined : JSON.parse(reply.text)) as T
}

/** Writes the body of an answer as it comes: it may be longer than memory. */
export async function download(session: Session, url: string, to: Writable): Promise<void> {
  const reply = await exchange(url, { method: 'GET', headers: { 'x-auth-token': session.token }, to })
  if (!isFine(reply)) throw new Refused('GET', url, reply.status, complaint(reply))
}

/** The cloud's answer was an error: `status` tells which. */
export class Refused extends Trouble {
  readonly status: number
  constructor(method: Method, url: string, status: number, reason: string) {
    super(`${method} ${new URL(url).pathname} was answered with ${status}: ${reason}`)
    this.status = status
  }
}

/** Sends bytes as the body, as they are read. */
export async function upload(session: Session, url: string, content: Readable, sizeBytes: number): Promise<void> {
  const type = { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) }
  const reply = await exchange(url, {
    method: 'PUT',
    headers: { 'x-auth-token': session.token, ...type },
    body: content,
  })
  if (!isFine(reply)) throw new Refused('PUT', url, reply.status, complaint(reply))
}

function send(method: Method, url: string, headers: Record<string, string>, body?: object): Promise<Reply> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const type = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
  return exchange(url, { method, headers: { ...headers, ...(text !== '' && type) }, body: text })
}

function isFine({ status }: Reply): boolean {
  return status >= 200 && status < 300
}

/** The sentence of an OpenStack error, whichever service's envelope it comes in. */
function complaint({ text }: Reply): string {
  try {
    return findMessage(JSON.parse(text)) ?? text
  } catch {
    return text
  }
}

function findMessage(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if ('message' in value && typeof value.message === 'string') return value.message
  for (const inner of Object.values(value)) {
    const found = findMessage(inner)
    if (found !== undefined) return found
  }
  return undefined
}
