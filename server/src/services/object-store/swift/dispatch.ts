// Every request of the Swift API comes in here: the path is taken apart, the right handler found, faults become Swift's.
import { Fault } from '#lib/fault.ts'
import { reply, type Reply, type Request } from '#lib/http/route.ts'
import { statusOf } from '#lib/http/status.ts'
import { meter } from '../metering.ts'
import { answerAccount } from './account.ts'
import { type Answer, errorPage, refuse, statusOfFault, transactionId } from './answer.ts'
import { answerBulkDelete, answerManifestDelete, isBulkDelete } from './bulk-delete.ts'
import { answerContainer } from './container.ts'
import { allowed, crossOrigin, preflight } from './cors.ts'
import { answerExtract, isExtract } from './extract.ts'
import { answerForm, isFormPost } from './form-post.ts'
import { loadObject, loadState, type State } from './load.ts'
import { changeObject, copyObject, deleteObject, putCopy } from './object-change.ts'
import { readObject } from './object-get.ts'
import { writeObject } from './object-put.ts'
import { readRequest, type SwiftRequest } from './request.ts'
import { answerSite, isForSite } from './static-web.ts'
import { disposition, readGrant } from './temp-url.ts'

export async function handleSwift(req: Request, method: string): Promise<Reply> {
  let answer: Answer
  let sr: SwiftRequest | undefined
  try {
    sr = readRequest(req, method)
    answer = await answerSwift(sr)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    answer = answerFault(error)
    // a little that the client still sends is read and forgotten; for more the connection ends
    const coming =
      req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 1 << 20
    if (coming && !req.stream.readableEnded) answer.headers['Connection'] = 'close'
  }
  const made = finish(answer, method)
  if (sr) count(sr, made)
  return made
}

function count({ req, method, projectId, container, object }: SwiftRequest, { headers }: Reply): void {
  const level = object !== undefined ? 'object' : container !== undefined ? 'container' : 'account'
  meter(req.world, {
    projectId,
    container: container ?? '',
    operation: `swift ${method} ${level}`,
    bytesIn: Number(req.headers['content-length'] ?? 0) || 0,
    bytesOut: method === 'HEAD' ? 0 : Number(headers['Content-Length'] ?? 0) || 0,
  })
}

function answerFault(fault: Fault): Answer {
  const status = statusOfFault(fault, statusOf[fault.kind])
  return { status, headers: {}, body: errorPage(status, fault.message) }
}

function asDownload(sr: SwiftRequest, answer: Answer): Answer {
  if (!sr.granted || answer.status >= 300) return answer
  const value = disposition(sr, answer.headers['Content-Disposition'])
  return value === undefined ? answer : { ...answer, headers: { ...answer.headers, 'Content-Disposition': value } }
}

async function answerSwift(sr: SwiftRequest): Promise<Answer> {
  if (isExtract(sr)) return answerExtract(sr)
  if (isBulkDelete(sr)) return answerBulkDelete(sr)
  if (sr.container === undefined)
    return sr.method === 'OPTIONS' ? { status: 200, headers: { Allow: allowed } } : answerAccount(sr)
  if (sr.method === 'COPY' && sr.object !== undefined) return copyObject(sr)
  if (sr.method === 'PUT' && sr.object !== undefined && sr.header('x-copy-from') !== undefined) return putCopy(sr)
  const state = await load(sr, sr.container)
  if (sr.method === 'OPTIONS') return preflight(sr, state)
  try {
    return crossOrigin(sr, state, await answerWithin(sr, state))
  } catch (error) {
    if (error instanceof Fault && sr.header('origin') !== undefined) return crossOrigin(sr, state, answerFault(error))
    throw error
  }
}

function load({ method, object, whose, req }: SwiftRequest, container: string): Promise<State> {
  const reads = object !== undefined && (method === 'GET' || method === 'HEAD')
  return reads ? loadObject(req.world, whose, container, object) : loadState(req.world, whose, container)
}

async function answerWithin(sr: SwiftRequest, state: State): Promise<Answer> {
  if (isFormPost(sr)) return answerForm(sr, state)
  const granted = readGrant(sr, state)
  if (granted) sr = { ...sr, granted }
  if (isForSite(sr, state)) return answerSite(sr, state)
  if (sr.object === undefined) return answerContainer(sr, state)
  switch (sr.method) {
    case 'GET':
    case 'HEAD':
      return asDownload(sr, await readObject(sr, state))
    case 'PUT':
      return writeObject(sr, state)
    case 'POST':
      return changeObject(sr, state)
    case 'DELETE':
      return sr.param('multipart-manifest') === 'delete' ? answerManifestDelete(sr, state) : deleteObject(sr, state)
    default:
      return refuse(405)
  }
}

function finish({ status, headers, body }: Answer, method: string): Reply {
  const id = transactionId()
  const all: Record<string, string> = {
    'Content-Type': 'text/html; charset=UTF-8',
    'X-Trans-Id': id,
    ...headers,
  }
  if (status === 304 && headers['Content-Type'] === undefined) delete all['Content-Type']
  const bare = status === 204 || status === 304
  const content = typeof body === 'string' ? Buffer.from(body) : body
  if (!bare && all['Content-Length'] === undefined && (content === undefined || Buffer.isBuffer(content)))
    all['Content-Length'] = String(content?.length ?? 0)
  return reply({ status, headers: all, body: bare || method === 'HEAD' ? undefined : content, bare: true })
}
