// GET, HEAD, POST of an account.
import { storageClasses } from '../backends.ts'
import { changeAccount, classUse, findAccount, listContainers, type Use } from '../containers.ts'
import { requireAccess } from './access.ts'
import { type Answer, refuse, timestampOf } from './answer.ts'
import { containerList, readFormat, readWindow } from './lists.ts'
import { metadataHeaders, readMetadata } from './metadata.ts'
import type { SwiftRequest } from './request.ts'
import { policyOf } from './storage-policies.ts'

export async function answerAccount(sr: SwiftRequest): Promise<Answer> {
  if (sr.method === 'GET' || sr.method === 'HEAD') return show(sr)
  if (sr.method === 'POST') {
    requireAccess(sr, 'account-write', undefined)
    const changes = readMetadata(sr, 'account')
    if ('quota-bytes' in changes) {
      if (!sr.req.allows('account:quota', { project_id: sr.projectId })) refuse(403)
      if (!/^\d*$/.test(changes['quota-bytes']!)) refuse(400, 'Invalid bytes quota.')
    }
    await sr.req.db.transaction((tx) => changeAccount(tx, sr.whose, changes))
    return { status: 204, headers: {} }
  }
  requireAccess(sr, 'account-write', undefined)
  // the account is the project's: it comes and goes with it
  refuse(sr.method === 'PUT' || sr.method === 'DELETE' ? 403 : 405)
}

async function show(sr: SwiftRequest): Promise<Answer> {
  requireAccess(sr, 'account-read', undefined)
  const format = readFormat(sr)
  const page = readWindow(sr)
  const { db } = sr.req
  const [account, use] = [await findAccount(db, sr.whose), await classUse(db, sr.whose)]
  const metadata = account?.metadata ?? {}
  const total = { containers: 0, objects: 0, bytes: 0 }
  const headers: Record<string, string> = {}
  const say = (prefix: string, { containers, objects, bytes }: Use) => {
    headers[`${prefix}-Container-Count`] = String(containers)
    headers[`${prefix}-Object-Count`] = String(objects)
    headers[`${prefix}-Bytes-Used`] = String(bytes)
  }
  for (const each of new Set([...storageClasses(sr.req.world), ...use.keys()])) {
    const ofClass = use.get(each) ?? { containers: 0, objects: 0, bytes: 0 }
    say(`X-Account-Storage-Policy-${policyOf(each)}`, ofClass)
    for (const count of ['containers', 'objects', 'bytes'] as const) total[count] += ofClass[count]
  }
  say('X-Account', total)
  Object.assign(headers, {
    'X-Timestamp': timestampOf(account?.createdAt ?? new Date(0)),
    'Accept-Ranges': 'bytes',
    ...metadataHeaders('account', metadata),
  })
  if (metadata['quota-bytes']) headers['X-Account-Quota-Bytes'] = metadata['quota-bytes']
  if (sr.method === 'HEAD') return { status: 204, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers } }
  const list = containerList(format, sr.account, await listContainers(db, sr.whose, page))
  return { ...list, headers: { ...headers, ...list.headers } }
}
