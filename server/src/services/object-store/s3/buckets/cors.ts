// Other origins' scripts: which of them a bucket lets in (the Fetch standard's CORS protocol, in S3's configuration).
import { findSetting, setSetting } from '../../settings.ts'
import { matchesWildcard } from '../../sharing/conditions.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { Bucket, BucketRequest, S3Request } from '../wire/request.ts'
import type { Element } from '../wire/xml.ts'

interface CorsRule {
  id?: string | undefined
  origins: string[]
  methods: string[]
  headers: string[]
  exposed: string[]
  maxAgeSeconds?: number | undefined
}

const mostRules = 100
const methods = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD'])

export async function getBucketCors({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  const rules = await findSetting<CorsRule[]>(db, container.id, 'cors')
  if (!rules) refuse('NoSuchCORSConfiguration', undefined, { BucketName: container.name })
  return xmlAnswer('CORSConfiguration', {
    CORSRule: rules.map((rule) => ({
      ID: rule.id,
      AllowedOrigin: rule.origins,
      AllowedMethod: rule.methods,
      AllowedHeader: rule.headers,
      ExposeHeader: rule.exposed,
      MaxAgeSeconds: rule.maxAgeSeconds,
    })),
  })
}

export async function putBucketCors(request: BucketRequest): Promise<Answer> {
  const rules = (await readXml(request, 'CORSConfiguration', 1 << 16)).children('CORSRule').map(readRule)
  if (rules.length === 0 || rules.length > mostRules) refuse('MalformedXML')
  await request.db.transaction((tx) => setSetting(tx, request.bucket.container.id, 'cors', rules))
  return { status: 200, headers: {} }
}

export async function deleteBucketCors({ db, bucket }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => setSetting(tx, bucket.container.id, 'cors', undefined))
  return { status: 204, headers: {} }
}

function readRule(rule: Element): CorsRule {
  const texts = (name: string) => rule.children(name).map(({ text }) => text.trim())
  const [origins, asked] = [texts('AllowedOrigin'), texts('AllowedMethod')]
  if (origins.length === 0 || asked.length === 0) refuse('MalformedXML')
  const wrong = asked.find((method) => !methods.has(method))
  if (wrong !== undefined)
    refuse('InvalidRequest', `Found unsupported HTTP method in CORS config. Unsupported method is ${wrong}`)
  const stars = [...origins, ...texts('AllowedHeader')].find((text) => text.split('*').length > 2)
  if (stars !== undefined) refuse('InvalidRequest', `"${stars}" can not have more than one wildcard.`)
  const age = rule.textOf('MaxAgeSeconds')?.trim()
  if (age !== undefined && !/^\d{1,9}$/.test(age)) refuse('MalformedXML')
  return {
    id: rule.textOf('ID'),
    origins,
    methods: asked,
    headers: texts('AllowedHeader'),
    exposed: texts('ExposeHeader'),
    maxAgeSeconds: age === undefined ? undefined : Number(age),
  }
}

/** The rule that lets a script of that origin do this with these headers. */
function ruleFor(rules: readonly CorsRule[], origin: string, method: string, headers: readonly string[]) {
  return rules.find(
    (rule) =>
      rule.methods.includes(method) &&
      rule.origins.some((each) => matchesWildcard(each, origin)) &&
      headers.every((name) => rule.headers.some((each) => matchesWildcard(each.toLowerCase(), name.toLowerCase()))),
  )
}

function headersOf(rule: CorsRule, origin: string, asked: readonly string[]): Record<string, string> {
  const anybody = rule.origins.includes('*')
  return {
    'Access-Control-Allow-Origin': anybody ? '*' : origin,
    'Access-Control-Allow-Methods': rule.methods.join(', '),
    ...(asked.length > 0 && { 'Access-Control-Allow-Headers': asked.join(', ') }),
    ...(rule.exposed.length > 0 && { 'Access-Control-Expose-Headers': rule.exposed.join(', ') }),
    ...(rule.maxAgeSeconds !== undefined && { 'Access-Control-Max-Age': String(rule.maxAgeSeconds) }),
    ...(!anybody && { 'Access-Control-Allow-Credentials': 'true' }),
    Vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

/** The reply to a browser that asks before it lets a script ask. Anybody may: it says nothing but what the owner published. */
export async function preflight(request: S3Request, bucket: Bucket | undefined): Promise<Answer> {
  const { headers } = request
  const origin = headers.origin
  const method = headers['access-control-request-method']
  if (origin === undefined || method === undefined)
    refuse('BadRequest', 'Insufficient information. Origin request header needed.')
  const asked = (headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean)
  const rules = bucket && (await findSetting<CorsRule[]>(request.db, bucket.container.id, 'cors'))
  const rule = rules && ruleFor(rules, origin, method, asked)
  if (!rule)
    return refuse(
      'AccessForbidden',
      rules
        ? 'CORSResponse: No rule of this bucket allows that origin, method and headers.'
        : 'CORSResponse: CORS is not enabled for this bucket.',
    )
  return { status: 200, headers: headersOf(rule, origin, asked) }
}

/** The headers that a reply to a script of another origin has besides its own; none where no rule lets it in. */
export async function corsHeaders(request: S3Request, bucket: Bucket): Promise<Record<string, string>> {
  const { origin } = request.headers
  if (origin === undefined) return {}
  const rules = await findSetting<CorsRule[]>(request.db, bucket.container.id, 'cors')
  const rule = rules && ruleFor(rules, origin, request.method, [])
  return rule ? headersOf(rule, origin, []) : {}
}
