// Bucket policies: who may do what with which keys, in the words of IAM. Pure: text in, verdict out.
import {
  type Conditions,
  conditionsHold,
  type Context,
  faultOfCondition,
  fillVariables,
  matchesWildcard,
} from './conditions.ts'

export interface Statement {
  effect: 'Allow' | 'Deny'
  principals: Principals
  actions: { not: boolean; patterns: string[] }
  resources: { not: boolean; patterns: string[] }
  conditions: Conditions
}
/** `any`: everybody, strangers too. The others are ARNs, ids of projects, or ids of users. */
export type Principals = { not: boolean; any: boolean; names: string[] }
export interface Policy {
  statements: Statement[]
  /** Whether a condition looks at tags of the object that is there: then it is loaded first. */
  readsObjectTags: boolean
}

/** Who asks, as policies name them; undefined: a stranger. */
export interface Principal {
  projectId: string
  userId: string
  userName: string
}

export const mostPolicyBytes = 20 * 1024

/** The condition keys that are known here; a policy with another one is refused, for it would not do what it says. */
const keys = new Set(
  [
    ...['aws:CurrentTime', 'aws:EpochTime', 'aws:PrincipalAccount', 'aws:PrincipalArn', 'aws:PrincipalType'],
    ...['aws:Referer', 'aws:SecureTransport', 'aws:SourceIp', 'aws:UserAgent', 'aws:userid', 'aws:username'],
    ...['s3:authType', 's3:delimiter', 's3:max-keys', 's3:prefix', 's3:VersionId', 's3:x-amz-acl'],
    ...['s3:x-amz-copy-source', 's3:x-amz-content-sha256', 's3:x-amz-metadata-directive', 's3:x-amz-storage-class'],
    ...['s3:x-amz-server-side-encryption', 's3:x-amz-server-side-encryption-aws-kms-key-id', 's3:RequestObjectTagKeys'],
    ...['s3:x-amz-server-side-encryption-customer-algorithm', 's3:object-lock-mode', 's3:object-lock-legal-hold'],
    ...['s3:object-lock-retain-until-date', 's3:x-amz-grant-read', 's3:x-amz-grant-write', 's3:x-amz-grant-read-acp'],
    ...[
      's3:x-amz-grant-write-acp',
      's3:x-amz-grant-full-control',
      's3:signatureversion',
      's3:if-none-match',
      's3:if-match',
    ],
  ].map((key) => key.toLowerCase()),
)
const tagKeys = /^s3:(existingobjecttag|requestobjecttag)\/.+$/

class Wrong extends Error {}
function wrong(why: string): never {
  throw new Wrong(why)
}

/** The policy, or a sentence that says what is wrong with it. `bucket`: the resources must lie in it. */
export function parsePolicy(text: string, bucket: string): Policy | string {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return "Policies must be valid JSON and the first byte must be '{'"
  }
  try {
    return readPolicy(json, bucket)
  } catch (error) {
    if (error instanceof Wrong) return error.message
    throw error
  }
}

type Json = Record<string, unknown>

function objectOf(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) wrong(`${what} must be an object`)
  return value as Json
}

function textsOf(value: unknown, what: string): string[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [value]
  if (list.length === 0) wrong(`${what} must not be empty`)
  return list.map((each) =>
    typeof each === 'string' || typeof each === 'number' || typeof each === 'boolean'
      ? String(each)
      : wrong(`${what} must be a text or a list of texts`),
  )
}

function only(json: Json, names: readonly string[], what: string): void {
  const other = Object.keys(json).find((name) => !names.includes(name))
  if (other !== undefined) wrong(`Unknown field ${other.slice(0, 60)} in ${what}`)
}

function readPolicy(json: unknown, bucket: string): Policy {
  const policy = objectOf(json, 'A policy')
  only(policy, ['Version', 'Id', 'Statement'], 'the policy')
  const { Version: version = '2008-10-17', Statement: given } = policy
  if (version !== '2012-10-17' && version !== '2008-10-17') wrong('The policy must contain a valid version string')
  const list = Array.isArray(given) ? (given as unknown[]) : given === undefined ? [] : [given]
  if (list.length === 0) wrong('Missing required field Statement')
  const statements = list.map((each) => readStatement(each, bucket))
  const readsObjectTags = statements.some(({ conditions }) =>
    Object.values(conditions).some((byKey) =>
      Object.keys(byKey).some((key) => key.toLowerCase().startsWith('s3:existingobjecttag/')),
    ),
  )
  return { statements, readsObjectTags }
}

function readStatement(json: unknown, bucket: string): Statement {
  const statement = objectOf(json, 'A statement')
  const fields = [
    'Sid',
    'Effect',
    'Principal',
    'NotPrincipal',
    'Action',
    'NotAction',
    'Resource',
    'NotResource',
    'Condition',
  ]
  only(statement, fields, 'a statement')
  const { Effect: effect } = statement
  if (effect !== 'Allow' && effect !== 'Deny') wrong(`Invalid effect: ${String(effect).slice(0, 60)}`)
  const principals = readPrincipals(statement)
  if (principals.not && effect === 'Allow') wrong('Allow with NotPrincipal is not allowed: name who may')
  const actions = oneOf(statement, 'Action')
  for (const action of actions.patterns)
    if (action !== '*' && !/^s3:[A-Za-z0-9*?]+$/i.test(action))
      wrong(`Policy has invalid action: ${action.slice(0, 60)}`)
  const resources = oneOf(statement, 'Resource')
  for (const resource of resources.patterns) requireOwn(resource, bucket)
  return { effect, principals, actions, resources, conditions: readConditions(statement['Condition']) }
}

function oneOf(statement: Json, name: 'Action' | 'Resource'): { not: boolean; patterns: string[] } {
  const [plain, negated] = [statement[name], statement[`Not${name}`]]
  if ((plain === undefined) === (negated === undefined))
    wrong(`A statement must have ${name} or Not${name}, one of them`)
  return { not: plain === undefined, patterns: textsOf(plain ?? negated, name) }
}

const arnPrefix = 'arn:aws:s3:::'
function requireOwn(resource: string, bucket: string): void {
  const path = resource.startsWith(arnPrefix)
    ? resource.slice(arnPrefix.length)
    : wrong(`Policy has invalid resource: ${resource.slice(0, 200)}`)
  const slash = path.indexOf('/')
  const name = slash < 0 ? path : path.slice(0, slash)
  // a pattern may reach beyond the bucket; it is only ever asked about what is in it
  if (!matchesWildcard(name, bucket)) wrong('Policy has invalid resource: it is not of this bucket')
}

function readPrincipals(statement: Json): Principals {
  const { Principal: plain, NotPrincipal: negated } = statement
  if ((plain === undefined) === (negated === undefined))
    wrong('A statement must have Principal or NotPrincipal, one of them')
  const not = plain === undefined
  const given = plain ?? negated
  if (given === '*') return { not, any: true, names: [] }
  const byKind = objectOf(given, 'Principal')
  only(byKind, ['AWS', 'CanonicalUser'], 'Principal: projects and users are the only ones here')
  const names = Object.entries(byKind).flatMap(([kind, value]) =>
    textsOf(value, kind).map((name) => (name === '*' ? '*' : readPrincipal(name))),
  )
  if (names.length === 0) wrong('Invalid principal in policy')
  return { not, any: names.includes('*'), names: names.filter((name) => name !== '*') }
}

const principalArn = /^arn:aws:iam::([0-9A-Za-z-]+):(root|user\/(.+))$/
function readPrincipal(name: string): string {
  if (principalArn.test(name) || /^[0-9A-Za-z-]{8,64}$/.test(name)) return name
  return wrong(`Invalid principal in policy: ${name.slice(0, 200)}`)
}

function readConditions(value: unknown): Conditions {
  if (value === undefined) return {}
  const made: Record<string, Record<string, readonly string[]>> = {}
  for (const [operator, byKey] of Object.entries(objectOf(value, 'Condition'))) {
    const read: Record<string, readonly string[]> = {}
    for (const [key, given] of Object.entries(objectOf(byKey, operator))) {
      if (!keys.has(key.toLowerCase()) && !tagKeys.test(key.toLowerCase()))
        wrong(`Policy has an invalid condition key: ${key.slice(0, 100)}`)
      const values = textsOf(given, key)
      const fault = faultOfCondition(operator, values)
      if (fault !== undefined) wrong(fault)
      read[key] = values
    }
    made[operator] = read
  }
  return made
}

export interface Question {
  principal: Principal | undefined
  /** `s3:GetObject` */
  action: string
  /** `bucket` or `bucket/key` */
  resource: string
  context: Context
}

/** What the policy says; undefined: nothing, and others decide. A Deny counts more than any Allow. */
export function judge(policy: Policy, asked: Question): 'allow' | 'deny' | undefined {
  let verdict: 'allow' | undefined
  for (const statement of policy.statements) {
    if (!applies(statement, asked)) continue
    if (statement.effect === 'Deny') return 'deny'
    verdict = 'allow'
  }
  return verdict
}

function applies({ principals, actions, resources, conditions }: Statement, asked: Question): boolean {
  if (isNamed(principals, asked.principal) === principals.not) return false
  const action = asked.action.toLowerCase()
  if (actions.patterns.some((each) => matchesWildcard(each.toLowerCase(), action)) === actions.not) return false
  const arn = `${arnPrefix}${asked.resource}`
  const meant = (pattern: string) => matchesWildcard(fillVariables(pattern, asked.context), arn)
  if (resources.patterns.some(meant) === resources.not) return false
  return conditionsHold(conditions, asked.context)
}

function isNamed({ any, names }: Principals, who: Principal | undefined): boolean {
  if (any) return true
  if (!who) return false
  return names.some((name) => {
    const arn = principalArn.exec(name)
    if (!arn) return name === who.projectId || name === who.userId
    const [, project, kind, user] = arn
    return project === who.projectId && (kind === 'root' || user === who.userId || user === who.userName)
  })
}

/** Whether it lets in everybody, without a condition that narrows who that is (what S3 calls a public policy). */
export function isPublic({ statements }: Policy): boolean {
  return statements.some(
    ({ effect, principals, conditions }) => effect === 'Allow' && principals.any && !narrows(conditions),
  )
}

const narrowing = new Set(['aws:principalaccount', 'aws:principalarn', 'aws:userid', 'aws:username', 'aws:sourceip'])
function narrows(conditions: Conditions): boolean {
  return Object.entries(conditions).some(([operator, byKey]) => {
    if (/not|null|ifexists|forallvalues/i.test(operator)) return false
    return Object.entries(byKey).some(
      ([key, values]) =>
        narrowing.has(key.toLowerCase()) &&
        values.every((value) => !/[*?]/.test(value) && value !== '0.0.0.0/0' && value !== '::/0'),
    )
  })
}
