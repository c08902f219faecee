// Serves buckets as web sites: to anybody who may read, by name of host, in HTML.
import { findObject } from '../../store/read.ts'
import { findSetting } from '../../settings.ts'
import { escapeMarkup } from '../../swift/answer.ts'
import { Fault } from '#lib/fault.ts'
import { isAllowed } from '../access/access.ts'
import type { Answer } from '../wire/answer.ts'
import { errorOf } from '../wire/errors.ts'
import { findBucket } from './find.ts'
import { getObject } from '../objects/get.ts'
import type { BucketRequest, S3Request } from '../wire/request.ts'
import { type Redirect, redirection, type Website } from './website.ts'

const read = { permission: 's3:GetObject', rule: 'account:read' } as const
const list = { permission: 's3:ListBucket', rule: 'account:read' } as const

/** The bucket that a host name means as a site. */
export function siteOf(host: string | undefined, domains: readonly string[]): string | undefined {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase()
  const domain = domains.find((each) => name.endsWith(`.${each}`))
  return domain === undefined ? undefined : name.slice(0, -domain.length - 1)
}

/** `path`: as it was asked for, encoded. */
export async function answerSite(request: S3Request, name: string, path: string): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(405, 'MethodNotAllowed')
  let key: string
  try {
    key = decodeURIComponent(path.slice(1))
  } catch {
    return page(400, 'InvalidURI')
  }
  if (key.includes('\0')) return page(400, 'InvalidURI')
  const bucket = await findBucket(request, name)
  if (!bucket) return page(404, 'NoSuchBucket')
  const site = await findSetting<Website>(request.db, bucket.container.id, 'website')
  if (!site) return page(404, 'NoSuchWebsiteConfiguration')
  if (site.redirectAll) return redirect(request, { ...site.redirectAll }, 301, key)
  const before = redirection(site.rules, key, undefined)
  if (before) return redirect(request, before.to, before.status, before.key)
  return serve({ ...request, query: new Map(), bucket, target: { bucket: name, key, virtual: true } }, site, key)
}

async function serve(request: BucketRequest, site: Website, key: string): Promise<Answer> {
  const { db, bucket } = request
  const { id } = bucket.container
  const wanted = key === '' || key.endsWith('/') ? key + (site.index ?? '') : key
  let status = 403
  let code = 'AccessDenied'
  if (await isAllowed(request, read, bucket, wanted)) {
    const found = await findObject(db, id, wanted)
    const location = found?.headers['x-amz-website-redirect-location']
    if (location !== undefined) return { status: 301, headers: { Location: location } }
    if (found) {
      try {
        return await getObject({ ...request, key: wanted })
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        ;({ status, code } = errorOf(error))
        if (status === 304) return { status, headers: {} }
      }
    } else {
      // a folder that was asked for without its slash
      if (wanted === key && (await findObject(db, id, `${key}/${site.index ?? ''}`)))
        return { status: 302, headers: { Location: `/${encodePath(key)}/` } }
      // whether something is there is the business of those who may list
      if (await isAllowed(request, list, bucket)) [status, code] = [404, 'NoSuchKey']
    }
  }
  const then = redirection(site.rules, key, status)
  if (then) return redirect(request, then.to, then.status, then.key)
  return errorPage(request, site, status, code)
}

async function errorPage(request: BucketRequest, site: Website, status: number, code: string): Promise<Answer> {
  const { db, bucket } = request
  if (site.error === undefined || !(await isAllowed(request, read, bucket, site.error))) return page(status, code)
  if (!(await findObject(db, bucket.container.id, site.error))) return page(status, code)
  // the page goes out whole, whatever part or version of the other was asked for
  const plain = { ...request, header: () => undefined, key: site.error }
  const { headers, body } = await getObject(plain)
  return { status, headers, ...(body !== undefined && { body }) }
}

const encodePath = (key: string) => key.split('/').map(encodeURIComponent).join('/')

function redirect(request: S3Request, to: Redirect, status: number, key: string): Answer {
  const protocol = to.protocol ?? (request.secure ? 'https' : 'http')
  const host = to.host ?? request.headers.host ?? ''
  return { status, headers: { Location: `${protocol}://${host}/${encodePath(key)}` } }
}

function page(status: number, code: string): Answer {
  const title = escapeMarkup(`${status} ${code}`)
  return {
    status,
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`,
  }
}
