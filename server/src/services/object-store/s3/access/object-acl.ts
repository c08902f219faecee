// The access control list of an object.
import { readAcl, requireAclAllowed, showAcl } from './acl.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { changeNamed, getNamed, namedHeader } from '../objects/change.ts'
import type { ObjectRequest } from '../wire/request.ts'

export async function getObjectAcl(request: ObjectRequest): Promise<Answer> {
  const { container } = request.bucket
  const found = await getNamed(request)
  const acl = container.sharing?.ownership === 'enforced' ? [] : (found.acl ?? [])
  return xmlAnswer('AccessControlPolicy', showAcl(container.projectId, acl), namedHeader(request, found))
}

export async function putObjectAcl(request: ObjectRequest): Promise<Answer> {
  const acl = await readAcl(request)
  requireAclAllowed(request.bucket.container.sharing, acl)
  const changed = await changeNamed(request, 'acl', () => (acl.length > 0 ? acl : null))
  return { status: 200, headers: namedHeader(request, changed) }
}
