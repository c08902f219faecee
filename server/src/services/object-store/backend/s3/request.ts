// Requests to an S3 service: signed, repeated where that is harmless, errors in words.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '#lib/fault.ts'
import { encode, type Keys, queryText, signed } from './sign.ts'

const { Agent, request: httpRequest } = process.getBuiltinModule('node:http') // lib/http/status.ts says why

export interface Service extends Keys {
  endpoint: string
  bucket: string
}
export interface Ask {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Buffer
  /** Statuses that are no errors, besides those of 200 to 299. */
  fine?: readonly number[]
}
export type Send = (ask: Ask) => Promise<IncomingMessage>

const attempts = 4
const silenceMs = 60_000
const nothing = Buffer.alloc(0)

/** Every request has its whole body in memory, so that it can be signed and sent again; replies are streams. */
export function sender(service: Service): Send {
  const url = new URL(service.endpoint)
  const isTls = url.protocol === 'https:'
  const agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
  const open = isTls ? httpsRequest : httpRequest

  async function sendOnce({ method, key, query = {}, headers = {}, body = nothing }: Ask): Promise<IncomingMessage> {
    const path = `/${encode(service.bucket)}${key === undefined ? '' : `/${key.split('/').map(encode).join('/')}`}`
    const all = signed({ method, path, query, headers: { host: url.host, ...headers }, body }, service)
    const sent = queryText(query)
    const outgoing = open(`${service.endpoint}${path}${sent && `?${sent}`}`, {
      method,
      agent,
      headers: { ...all, 'content-length': String(body.length) },
      timeout: silenceMs,
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer for ${silenceMs / 1000} s`)))
    outgoing.end(body)
    const [reply] = (await once(outgoing, 'response')) as [IncomingMessage]
    return reply
  }

  return async (ask) => {
    for (let attempt = 1; ; attempt++) {
      let problem: Fault
      try {
        const reply = await sendOnce(ask)
        const { statusCode: status = 0 } = reply
        if ((status >= 200 && status < 300) || ask.fine?.includes(status)) return reply
        const body = await text(reply)
        const code = /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ?? ''
        problem = faultOf(service, status, code)
        if (status < 500 && code !== 'RequestTimeout' && code !== 'SlowDown') throw problem
        if (problem.kind === 'noSpace') throw problem
      } catch (error) {
        if (error instanceof Fault) throw error
        problem = away(service, error)
      }
      if (attempt === attempts) throw problem
      await delay(50 * 4 ** attempt)
    }
  }
}

const full = new Set(['XMinioStorageFull', 'QuotaExceeded', 'InsufficientStorage', 'EntityTooLarge'])

function faultOf(service: Service, status: number, code: string): Fault {
  if (status === 507 || full.has(code))
    return new Fault('noSpace', 'There is not enough space left to store the object.')
  const why = code === '' ? `status ${status}` : `${code} (${status})`
  return new Fault('unavailable', 'The storage behind this object answers with an error.', {
    code: '503',
    cause: new Error(`${service.endpoint}/${service.bucket}: ${why}`),
  })
}

function away(service: Service, cause: unknown): Fault {
  return new Fault('unavailable', 'The storage behind this object does not answer.', {
    code: '503',
    cause: new Error(`${service.endpoint}/${service.bucket}`, { cause }),
  })
}
