import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'

export interface Reply {
  status: number
  headers: NodeJS.Dict<string | string[]>
  text: string
}

export interface Address {
  protocol: string
  host: string
  port: string
  /** The door of a namespace, see `openDoor`. */
  socketPath?: string | undefined
  /** File of the certificate to trust. */
  ca?: string | undefined
}

export type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>

export interface Api {
  token: string
  userId: string
  projectId: string
  /** One exchange, whatever its status. A string or Buffer is sent as it is, anything else as JSON. */
  send: Send
  /** One exchange that must succeed; answers the parsed body. */
  call: <T>(method: string, path: string, body?: unknown) => Promise<T>
}

function sender(address: Address, token?: string): Send {
  const open = address.protocol === 'https:' ? httpsRequest : httpRequest
  const ca = address.ca === undefined ? undefined : readFileSync(address.ca)
  const { host, port, socketPath } = address
  return async (method, path, body, headers = {}) => {
    const outgoing = open({
      ...(socketPath === undefined ? { host, port } : { socketPath }),
      ...(ca && { ca }),
      method,
      path,
      headers: {
        ...(token && { 'X-Auth-Token': token }),
        'OpenStack-API-Version': 'compute 2.96, placement 1.39',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
    })
    outgoing.end(body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, text: await text(incoming) }
  }
}

export async function signIn(address: Address, password: string, name = 'admin', project = 'admin'): Promise<Api> {
  const domain = { name: 'Default' }
  const reply = await sender(address)('POST', '/identity/v3/auth/tokens', {
    auth: {
      identity: { methods: ['password'], password: { user: { name, domain, password } } },
      scope: { project: { name: project, domain } },
    },
  })
  if (reply.status !== 201) throw new Error(`no token: ${reply.status} ${reply.text}`)
  const token = String(reply.headers['x-subject-token'])
  const send = sender(address, token)
  return {
    token,
    userId: JSON.parse(reply.text).token.user.id,
    projectId: JSON.parse(reply.text).token.project.id,
    send,
    async call(method, path, body) {
      const { status, text: answer } = await send(method, path, body)
      if (status >= 400) throw new Error(`${method} ${path}: ${status} ${answer}`)
      return answer === '' ? undefined : JSON.parse(answer)
    },
  }
}
