// A bucket as a web site: an index for each folder, a page for errors, redirections. Served to whoever may read, on the hosts of
// `s3WebsiteDomains`.
import { findSetting, setSetting } from '../../settings.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import type { Element } from '../wire/xml.ts'

export interface Redirect {
  protocol?: 'http' | 'https' | undefined
  host?: string | undefined
  /** In place of the whole key, or of the prefix that was asked for. */
  key?: string | undefined
  prefix?: string | undefined
  status?: number | undefined
}
export interface RoutingRule {
  ifPrefix?: string | undefined
  ifStatus?: number | undefined
  redirect: Redirect
}
export interface Website {
  index?: string | undefined
  error?: string | undefined
  redirectAll?: { host: string; protocol?: 'http' | 'https' | undefined } | undefined
  rules: RoutingRule[]
}

const mostRules = 50

export async function getBucketWebsite({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  const site = await findSetting<Website>(db, container.id, 'website')
  if (!site) refuse('NoSuchWebsiteConfiguration', undefined, { BucketName: container.name })
  const { index, error, redirectAll, rules } = site
  return xmlAnswer('WebsiteConfiguration', {
    IndexDocument: index === undefined ? undefined : { Suffix: index },
    ErrorDocument: error === undefined ? undefined : { Key: error },
    RedirectAllRequestsTo: redirectAll && { HostName: redirectAll.host, Protocol: redirectAll.protocol },
    RoutingRules:
      rules.length === 0
        ? undefined
        : {
            RoutingRule: rules.map(({ ifPrefix, ifStatus, redirect }) => ({
              Condition:
                ifPrefix === undefined && ifStatus === undefined
                  ? undefined
                  : { KeyPrefixEquals: ifPrefix, HttpErrorCodeReturnedEquals: ifStatus },
              Redirect: {
                Protocol: redirect.protocol,
                HostName: redirect.host,
                ReplaceKeyWith: redirect.key,
                ReplaceKeyPrefixWith: redirect.prefix,
                HttpRedirectCode: redirect.status,
              },
            })),
          },
  })
}

export async function putBucketWebsite(request: BucketRequest): Promise<Answer> {
  const document = await readXml(request, 'WebsiteConfiguration', 1 << 17)
  const site = readWebsite(document)
  await request.db.transaction((tx) => setSetting(tx, request.bucket.container.id, 'website', site))
  return { status: 200, headers: {} }
}

export async function deleteBucketWebsite({ db, bucket }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => setSetting(tx, bucket.container.id, 'website', undefined))
  return { status: 204, headers: {} }
}

function readWebsite(document: Element): Website {
  const all = document.child('RedirectAllRequestsTo')
  const index = document.child('IndexDocument')?.textOf('Suffix')?.trim()
  const error = document.child('ErrorDocument')?.textOf('Key')?.trim()
  const rules = (document.child('RoutingRules')?.children('RoutingRule') ?? []).map(readRule)
  if (all) {
    if (index !== undefined || error !== undefined || rules.length > 0)
      refuse('InvalidRequest', 'RedirectAllRequestsTo cannot be provided in conjunction with other elements')
    return {
      redirectAll: { host: readHost(all.textOf('HostName') ?? refuse('MalformedXML')), protocol: readProtocol(all) },
      rules: [],
    }
  }
  if (index === undefined)
    refuse('InvalidArgument', 'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty')
  if (index === '' || index.includes('/')) refuse('InvalidArgument', 'The IndexDocument Suffix is not well formed')
  if (rules.length > mostRules) refuse('InvalidRequest', `There may be at most ${mostRules} routing rules.`)
  return { index, error: error || undefined, rules }
}

function readProtocol(from: Element): 'http' | 'https' | undefined {
  const text = from.textOf('Protocol')?.trim()
  if (text === undefined || text === 'http' || text === 'https') return text
  return refuse(
    'InvalidRequest',
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  )
}
function readHost(text: string): string {
  const host = text.trim()
  return /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host)
    ? host
    : refuse('InvalidArgument', 'The HostName is no name of a host.')
}

function readRule(rule: Element): RoutingRule {
  const condition = rule.child('Condition')
  const redirect = rule.child('Redirect') ?? refuse('MalformedXML')
  const ifStatus = condition?.textOf('HttpErrorCodeReturnedEquals')?.trim()
  const status = redirect.textOf('HttpRedirectCode')?.trim()
  if (ifStatus !== undefined && !/^[45]\d\d$/.test(ifStatus))
    refuse('InvalidRequest', 'The provided HTTP error code is not valid. Valid codes are 4XX or 5XX.')
  if (status !== undefined && !/^30[12378]$/.test(status))
    refuse('InvalidRequest', 'The provided HTTP redirect code is not valid. Valid codes are 3XX except 300.')
  const [key, prefix] = [redirect.textOf('ReplaceKeyWith'), redirect.textOf('ReplaceKeyPrefixWith')]
  if (key !== undefined && prefix !== undefined)
    refuse('InvalidRequest', 'You can only define ReplaceKeyPrefix or ReplaceKey but not both.')
  const host = redirect.textOf('HostName')
  return {
    ifPrefix: condition?.textOf('KeyPrefixEquals'),
    ifStatus: ifStatus === undefined ? undefined : Number(ifStatus),
    redirect: {
      protocol: readProtocol(redirect),
      host: host === undefined ? undefined : readHost(host),
      key,
      prefix,
      status: status === undefined ? undefined : Number(status),
    },
  }
}

/** Where the first rule that fits sends a request; `status`: of the error that it would end with, if it would. */
export function redirection(
  rules: readonly RoutingRule[],
  key: string,
  status: number | undefined,
): { status: number; to: Redirect; key: string } | undefined {
  const rule = rules.find(
    ({ ifPrefix, ifStatus }) => (ifPrefix === undefined || key.startsWith(ifPrefix)) && ifStatus === status,
  )
  if (!rule) return undefined
  const { redirect, ifPrefix = '' } = rule
  const target = redirect.key ?? (redirect.prefix === undefined ? key : redirect.prefix + key.slice(ifPrefix.length))
  return { status: redirect.status ?? 301, to: redirect, key: target }
}
