// From a request at its end to the record that is kept of it.
import type { AuditedRequest } from '#lib/audit.ts'
import { newId } from '#lib/id.ts'
import type { Entry } from './model.ts'

const signInPath = /\/(auth\/tokens|ec2tokens|s3tokens)$/

/** Whether a request asks for a token. */
export function isSignIn(request: Pick<AuditedRequest, 'method' | 'pattern' | 'signsIn'>): boolean {
  return request.signsIn === true || (request.method === 'POST' && signInPath.test(request.pattern))
}

const verbs: Record<string, string> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'update',
  DELETE: 'delete',
  COPY: 'create',
}

// What a service's resources are in CADF's taxonomy of resources (DMTF DSP0262, appendix A).
const taxonomy: Record<string, string> = {
  identity: 'data/security',
  compute: 'compute',
  network: 'network',
  image: 'storage/image',
  placement: 'compute/placement',
  'object-store': 'storage/object',
}

/** The record. With a token that is not good nobody knows who asked. */
export function entryOf(request: AuditedRequest): Entry {
  const { actor, status } = request
  const isTokenRequest = isSignIn(request)
  // elsewhere a body of that form is nobody's word for anything
  const signIn = isTokenRequest ? request.signIn : undefined
  const isWrongToken = status === 401 && !isTokenRequest
  const target = targetOf(request)
  const userId = signIn?.userId ?? (actor.userId || null)
  const initiatorProjectId = actor.projectId ?? signIn?.projectId ?? null
  return {
    id: newId(),
    at: request.at,
    service: request.service,
    action: isTokenRequest || isWrongToken ? 'authenticate' : actionOf(request),
    outcome: status < 400 ? 'success' : 'failure',
    status,
    reason: request.fault ?? null,
    attempts: 1,
    userId,
    initiatorProjectId,
    address: request.address,
    projectId: request.targetProjectId ?? initiatorProjectId,
    targetType: target.type,
    targetId: isTokenRequest ? userId : target.id,
    region: request.region,
    requestId: request.requestId,
    details: detailsOf(request.params, signIn?.methods),
  }
}

function actionOf({ method, action }: AuditedRequest): string {
  const verb = verbs[method] ?? 'read'
  if (action === undefined) return verb
  return `update/${action}`
}

function targetOf({ service, pattern, params, createdId }: AuditedRequest): { type: string; id: string | null } {
  const words = pattern.split('/').filter((word) => word !== '' && !/^(:|\*|v\d)/.test(word))
  // the mount says what the service says already
  const noun = words.slice(1).filter((word) => word !== 'action')
  const type = `${taxonomy[service] ?? 'service'}/${noun.join('/') || service}`
  // what stands for a wildcard is the user's own words (names of objects)
  const named = Object.entries(params).filter(([name]) => name !== '*' && !/object/i.test(name))
  const id = createdId ?? named.at(-1)?.[1] ?? null
  return { type, id: id === null ? null : id.slice(0, 255) }
}

/** Where several things are named (a role for a user in a project), all of them. */
function detailsOf(params: AuditedRequest['params'], methods: readonly string[] = []): string | null {
  const named = Object.entries(params).filter(([name]) => name !== '*' && !/object/i.test(name))
  const details = {
    ...(named.length > 1 && { names: Object.fromEntries(named.map(([name, value]) => [name, value.slice(0, 255)])) }),
    ...(methods.length > 0 && { methods }),
  }
  return Object.keys(details).length > 0 ? JSON.stringify(details) : null
}
