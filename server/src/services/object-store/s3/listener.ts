// The door of the S3 API: an HTTP server of its own, for a bucket may have any name and a key any path.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { nobody } from '#lib/actor.ts'
import { type Audit, isAudited } from '#lib/audit.ts'
import { Fault } from '#lib/fault.ts'
import { isPieces, sendPieces } from '#lib/http/answer.ts'
import { faultOf } from '#lib/http/refusal.ts'
import { observeRequest } from '#lib/metrics.ts'
import { makeEnforcer, readOverrides } from '#lib/policy.ts'
import type { World } from '#lib/world.ts'
import type { AccessKeys } from '#identity'
import { meter } from '../metering.ts'
import { objectStorePolicies } from '../policy.ts'
import { type Answer, quoted } from './wire/answer.ts'
import { answerS3, type Known, type Surroundings } from './dispatch.ts'
import { errorOf } from './wire/errors.ts'
import { plainDocument } from './wire/xml.ts'

// Not imported: see lib/http/status.ts.
const { createServer } = process.getBuiltinModule('node:http')

export interface S3Options {
  world: World
  keys: AccessKeys
  audit?: Audit
}

// What clients take for granted when they were told of no region.
const usualRegion = 'us-east-1'
const patienceMs = 3000
// what a client still sends after an error is read and forgotten up to here; for more the connection ends
const drainedBytes = 1 << 20

/** Not yet listening. */
export function makeS3Server(options: S3Options): Server {
  const { world } = options
  const { config } = world
  const around: Surroundings = {
    world,
    keys: options.keys,
    enforcer: makeEnforcer(objectStorePolicies, readOverrides(config.policyDir, 'object-store')),
    regions: [config.region, usualRegion],
    domains: namesOf(config.s3Domains),
    websiteDomains: namesOf(config.s3WebsiteDomains),
    secure: config.tlsCertificate !== '',
  }
  const server = around.secure
    ? createTlsServer({ cert: readFileSync(config.tlsCertificate), key: readFileSync(config.tlsKey) })
    : createServer()
  server.keepAliveTimeout = 75_000
  server.requestTimeout = 0
  const take = (waits: boolean) => (raw: IncomingMessage, res: ServerResponse) => {
    void serve(around, options.audit, raw, res, waits)
  }
  server.on('request', take(false))
  server.on('checkContinue', take(true))
  return server
}

const namesOf = (list: string) => list.split(',').flatMap((each) => each.trim().toLowerCase() || [])

/** Requests that are under way may end, and their connections with them, but not for ever. */
export async function closeS3Server(server: Server): Promise<void> {
  if (!server.listening) return
  const tidy = setInterval(() => server.closeIdleConnections(), 50).unref()
  const patience = setTimeout(() => server.closeAllConnections(), patienceMs).unref()
  await new Promise((resolve) => server.close(resolve))
  clearInterval(tidy)
  clearTimeout(patience)
}

/** Never rejects. */
async function serve(
  around: Surroundings,
  audit: Audit | undefined,
  raw: IncomingMessage,
  res: ServerResponse,
  waits: boolean,
): Promise<void> {
  const began = process.hrtime.bigint()
  const address = raw.socket.remoteAddress ?? '' // later there may be no socket
  const requestId = randomBytes(8).toString('hex').toUpperCase()
  const known: Known = {
    actor: nobody,
    operation: undefined,
    bucket: undefined,
    key: undefined,
    projectId: undefined,
  }
  const { log } = around.world
  let answer: Answer
  let failure: unknown
  try {
    answer = await answerS3(around, raw, res, { requestId, waits, known })
  } catch (error) {
    failure = error
    const fault = faultOf(error, raw)
    if (!(error instanceof Fault)) {
      const about = { err: error, request: requestId, method: raw.method, url: raw.url?.split('?')[0] }
      log[fault ? 'info' : 'error'](about, fault ? fault.message : 'S3 request failed')
    }
    answer = errorAnswer(fault, known, requestId, raw)
  }
  Object.assign(answer.headers, known.cors)
  if (!raw.complete && coming(raw) && (waits || bytesComing(raw) > drainedBytes)) answer.headers['Connection'] = 'close'
  try {
    write(res, raw.method === 'HEAD', requestId, answer)
  } catch (error) {
    log.error({ err: error, request: requestId }, 'an S3 reply could not be written')
    if (isPieces(answer.body)) void answer.body.return()
    res.destroy()
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  const { actor, operation } = known
  const { status } = answer
  const name = operation?.name ?? 'none'
  observeRequest('s3', raw.method ?? '', name, status, seconds)
  if (audit && isAudited(raw.method ?? '', status, raw.headers.authorization !== undefined))
    audit.record({
      at: new Date(),
      requestId,
      service: 'object-store',
      region: around.world.config.region,
      method: raw.method ?? '',
      pattern: known.key === undefined ? '/:bucket' : '/:bucket/:key',
      params: { bucket: known.bucket ?? '', ...(known.key !== undefined && { key: known.key.slice(0, 255) }) },
      action: name,
      status,
      fault: failure === undefined ? undefined : failure instanceof Fault ? failure.kind : 'error',
      signIn: undefined,
      actor,
      address,
      targetProjectId: known.projectId,
      createdId: undefined,
    })
  if (known.projectId !== undefined && status < 500)
    meter(around.world, {
      projectId: known.projectId,
      container: known.container ?? '',
      operation: name,
      bytesIn: coming(raw) ? Number(raw.headers['content-length'] ?? 0) : 0,
      bytesOut: raw.method === 'HEAD' ? 0 : Number(answer.headers['Content-Length'] ?? bodyLength(answer)),
    })
  const level =
    status >= 500 && status !== 501 ? 'error' : raw.method === 'GET' || raw.method === 'HEAD' ? 'debug' : 'info'
  if (log.isLevelEnabled(level)) {
    const why = failure instanceof Fault ? failure.message : undefined
    const ms = Math.round(seconds * 1e5) / 100
    log[level](
      {
        request: requestId,
        method: raw.method,
        url: raw.url?.split('?')[0],
        operation: name,
        status,
        ms,
        user: actor.userId,
        project: actor.projectId,
        why,
      },
      'S3 request',
    )
  }
}

const bodyLength = ({ body }: Answer) => (typeof body === 'string' || Buffer.isBuffer(body) ? body.length : 0)
const coming = (raw: IncomingMessage) =>
  raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
const bytesComing = (raw: IncomingMessage) => Number(raw.headers['content-length'] ?? Infinity)

function errorAnswer(fault: Fault | undefined, known: Known, requestId: string, raw: IncomingMessage): Answer {
  const { code, status, message, about } = errorOf(fault)
  // what is said in small letters is a header
  const isHeader = (name: string) => /^[a-z]/.test(name)
  const headers = Object.fromEntries(Object.entries(about).filter(([name]) => isHeader(name)))
  if (status === 304) return { status, headers: { ...headers, ...(about['ETag'] && { ETag: quoted(about['ETag']) }) } }
  const body = plainDocument('Error', {
    Code: code,
    Message: message,
    ...Object.fromEntries(Object.entries(about).filter(([name]) => !isHeader(name))),
    ...(known.key !== undefined && !('Key' in about) && { Key: known.key }),
    ...(known.bucket !== undefined && !('BucketName' in about) && { BucketName: known.bucket }),
    Resource: decodeQuietly(raw.url?.split('?')[0] ?? '/'),
    RequestId: requestId,
    HostId: hostId,
  })
  return { status, headers: { 'Content-Type': 'application/xml', ...headers }, body }
}

function decodeQuietly(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const hostId = randomBytes(32).toString('base64')

function write(res: ServerResponse, isHead: boolean, requestId: string, { status, headers, body }: Answer): void {
  const content = typeof body === 'string' ? Buffer.from(body) : body
  const all: Record<string, string> = { 'x-amz-request-id': requestId, 'x-amz-id-2': hostId, ...headers }
  const bare = status === 204 || status === 304
  if (!bare && all['Content-Length'] === undefined && !isPieces(content))
    all['Content-Length'] = String(content?.length ?? 0)
  res.writeHead(status, all)
  if (isHead || bare || content === undefined) {
    if (isPieces(content)) void content.return()
    res.end()
  } else if (isPieces(content)) void sendPieces(content, res)
  else res.end(content)
}
