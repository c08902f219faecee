import type { Credentials } from '../credentials.ts'
import { stop, Trouble } from '../trouble.ts'

export interface Session {
  token: string
  projectId: string
  /** The URL of a service's public endpoint in our region, with the version the CLI speaks; by catalogue type. */
  endpoint(type: keyof typeof versions): string
  /** Where /tasks and /agent lie. */
  base: string
}

// The catalogue may give an endpoint with or without its version.
const versions = { compute: '', network: '/v2.0', image: '/v2', identity: '' } as const

interface Catalogue {
  token: {
    project?: { id: string }
    catalog?: { type: string; endpoints: { interface: string; region_id?: string; region?: string; url: string }[] }[]
  }
}

/** Signs in by password. A refusal or a cloud that does not answer becomes a sentence. */
export async function signIn(credentials: Credentials): Promise<Session> {
  const { authUrl, username, password, projectName, userDomainName, projectDomainName, regionName } = credentials
  const identity = authUrl.replace(/\/+$/, '').replace(/(\/v3)?$/, '/v3')
  const auth = {
    identity: {
      methods: ['password'],
      password: { user: { name: username, password, domain: { name: userDomainName } } },
    },
    scope: { project: { name: projectName, domain: { name: projectDomainName } } },
  }
  const reply = await send('POST', `${identity}/auth/tokens`, {}, { auth })
  if (reply.status === 401) stop(`The cloud at ${authUrl} does not accept the password of user '${username}'.`)
  const token = reply.headers.get('x-subject-token')
  if (reply.status !== 201 || !token) stop(`Signing in at ${authUrl} failed: ${await complaint(reply)}`)
  const { project, catalog = [] } = ((await reply.json()) as Catalogue).token
  return {
    token,
    projectId: project?.id ?? stop(`The token of user '${username}' has no project.`),
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
  if (!reply.ok) throw new Refused(method, url, reply.status, await complaint(reply))
  const text = await reply.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** The cloud's answer was an error: `status` tells which. */
export class Refused extends Trouble {
  readonly status: number
  constructor(method: Method, url: string, status: number, reason: string) {
    super(`${method} ${new URL(url).pathname} was answered with ${status}: ${reason}`)
    this.status = status
  }
}

/** Sends a file's or a buffer's bytes as the body, with its length. */
export async function upload(session: Session, url: string, content: Blob): Promise<void> {
  const headers = { 'x-auth-token': session.token, 'content-type': 'application/octet-stream' }
  const reply = await reach(url, { method: 'PUT', headers, body: content })
  if (!reply.ok) throw new Refused('PUT', url, reply.status, await complaint(reply))
}

function send(method: Method, url: string, headers: Record<string, string>, body?: object): Promise<Response> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) }
  return reach(url, { method, headers: { ...headers, 'content-type': 'application/json' }, ...json })
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    throw new Trouble(`The cloud at ${new URL(url).origin} does not answer.`, 1, { cause: error })
  }
}

/** The sentence of an OpenStack error, whichever service's envelope it comes in. */
async function complaint(reply: Response): Promise<string> {
  const text = await reply.text()
  try {
    return findMessage(JSON.parse(text)) ?? text
  } catch {
    return text || reply.statusText
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
