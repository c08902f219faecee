// Who may do what: rules in oslo.policy's language (docs.openstack.org/oslo.policy, "Policy Rule Expressions"), compiled
// once to functions. Names and meaning are OpenStack's, so an operator's policy.yaml works.
import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import type { Actor } from '#lib/actor.ts'
import { Fault } from '#lib/fault.ts'

/** What a rule is asked about: the attributes that `%(name)s` means, nested by dots. */
export type Target = Readonly<Record<string, unknown>>
type Check = (creds: Target, target: Target, rule: (name: string) => Check) => boolean

/** Rule name → rule. The rules of one service; each route and each guarded field names one of them. */
export type Policies = Readonly<Record<string, string>>

/** Declares rules; only there so that a typo in a rule stops the program at its start. */
export function policies<Rules extends Policies>(rules: Rules): Rules {
  for (const [name, text] of Object.entries(rules)) parseRule(text, name)
  return rules
}

// The roles of secure RBAC. Admin implies manager implies member implies reader; identity expands that in the actor.
const ofProject = 'project_id:%(project_id)s'
export const everyone = '@'
export const nobody = '!'
export const admin = 'role:admin'
export const projectReader = `role:admin or (role:reader and ${ofProject})`
export const projectMember = `role:admin or (role:member and ${ofProject})`
export const projectManager = `role:admin or (role:manager and ${ofProject})`

/** Parses one rule. Throws an Error naming the rule when it cannot be read. */
export function parseRule(text: string, name = 'rule'): Check {
  const words =
    text.match(/'[^']*'(?::%\([^)]+\)s|:\S+)?|%\([^)]+\)s(?::[^\s()]+)?|[^\s()]+:%\([^)]+\)s|\(|\)|[^\s()]+/g) ?? []
  let at = 0
  const fail = (why: string): never => {
    throw new Error(`policy ${name}: ${why} in "${text}"`)
  }
  const either = (): Check => {
    let left = both()
    while (words[at]?.toLowerCase() === 'or') {
      at++
      const [a, b] = [left, both()]
      left = (c, t, r) => a(c, t, r) || b(c, t, r)
    }
    return left
  }
  const both = (): Check => {
    let left = unary()
    while (words[at]?.toLowerCase() === 'and') {
      at++
      const [a, b] = [left, unary()]
      left = (c, t, r) => a(c, t, r) && b(c, t, r)
    }
    return left
  }
  const unary = (): Check => {
    const word = words[at++]
    if (word === undefined) return fail('something is missing')
    if (word.toLowerCase() === 'not') {
      const inner = unary()
      return (c, t, r) => !inner(c, t, r)
    }
    if (word === '(') {
      const inner = either()
      if (words[at++] !== ')') fail('a ")" is missing')
      return inner
    }
    return word === '@' ? () => true : word === '!' ? () => false : comparison(word, fail)
  }
  if (words.length === 0) return () => true // oslo: an empty rule allows
  const check = either()
  if (at !== words.length) fail(`"${words[at]}" is not expected`)
  return check
}

function comparison(word: string, fail: (why: string) => never): Check {
  const colon = word.startsWith("'") ? word.indexOf(':', word.indexOf("'", 1)) : word.indexOf(':')
  if (colon < 1) return fail(`"${word}" is not <kind>:<match>`)
  const kind = word.slice(0, colon)
  const match = word.slice(colon + 1)
  if (kind === 'rule') return (c, t, rule) => rule(match)(c, t, rule)
  if (kind === 'http' || kind === 'https') return fail('remote checks (http:) are not supported')
  const wanted = placeholder(match)
  if (kind === 'role') {
    return (c, t) => {
      const role = wanted(t)
      return typeof role === 'string' && (c['roles'] as readonly string[]).includes(role.toLowerCase())
    }
  }
  const literal = literalOf(kind)
  return (c, t) => {
    const right = wanted(t)
    if (right === undefined) return false
    const left = literal ? literal.value : dig(c, kind)
    // what neither of them has makes nobody an owner: a token without a project, an image without one
    if (left === null && right === null) return false
    if (Array.isArray(left)) return left.some((each) => pythonText(each) === pythonText(right))
    return left !== undefined && pythonText(left) === pythonText(right)
  }
}

// How Python writes a value, which is how oslo compares.
const pythonText = (value: unknown): string =>
  value === null ? 'None' : value === true ? 'True' : value === false ? 'False' : String(value)

function literalOf(kind: string): { value: unknown } | undefined {
  if (/^'.*'$/.test(kind)) return { value: kind.slice(1, -1) }
  if (kind === 'None' || kind === 'True' || kind === 'False' || /^\d+$/.test(kind)) return { value: kind }
  return undefined
}

function placeholder(match: string): (target: Target) => unknown {
  const inside = /^%\(([^)]+)\)s$/.exec(match)?.[1]
  return inside === undefined ? () => match : (target) => (inside in target ? target[inside] : dig(target, inside))
}

function dig(from: Target, path: string): unknown {
  if (path in from) return from[path]
  let value: unknown = from
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

export interface Enforcer {
  allows(rule: string, actor: Actor, target: Target): boolean
  /** Throws forbidden. */
  require(rule: string, actor: Actor, target: Target): void
  has(rule: string): boolean
  readonly names: readonly string[]
}

/** The rules of one service, with an operator's overrides. Throws an Error for a rule that cannot be read. */
export function makeEnforcer(defaults: Policies, overrides: Policies = {}): Enforcer {
  const checks = new Map<string, Check>()
  for (const [name, text] of Object.entries({ ...defaults, ...overrides })) checks.set(name, parseRule(text, name))
  const find = (name: string): Check => checks.get(name) ?? (() => false)
  const allows = (rule: string, actor: Actor, target: Target) => find(rule)(credentials(actor), target, find)
  return {
    allows,
    require(rule, actor, target) {
      if (!allows(rule, actor, target)) throw new Fault('forbidden', `Policy doesn't allow ${rule} to be performed.`)
    },
    has: (rule) => checks.has(rule),
    names: [...checks.keys()],
  }
}

const kept = new WeakMap<Actor, Target>()
function credentials(actor: Actor): Target {
  let creds = kept.get(actor)
  if (!creds) {
    creds = {
      user_id: actor.userId,
      project_id: actor.projectId,
      tenant_id: actor.projectId,
      domain_id: actor.domainId,
      user_domain_id: actor.userDomainId,
      project_domain_id: actor.projectDomainId,
      project_name: actor.projectName,
      system_scope: actor.system ? 'all' : null,
      roles: actor.roles.map((role) => role.toLowerCase()),
      is_admin: actor.roles.includes('admin'),
      is_admin_project: true,
      trust_id: actor.trustId,
      // Keystone's own rules look into the token
      token: {
        user: { id: actor.userId, domain: { id: actor.userDomainId } },
        ...(actor.domainId !== null && { domain: { id: actor.domainId } }),
        ...(actor.projectId !== null && { project: { id: actor.projectId, domain: { id: actor.projectDomainId } } }),
      },
    }
    kept.set(actor, creds)
  }
  return creds
}

/** `<dir>/<service>.yaml` (or .json), when there is one. */
export function readOverrides(dir: string, service: string): Policies {
  if (!dir) return {}
  for (const ending of ['yaml', 'json']) {
    let text: string
    try {
      text = readFileSync(`${dir}/${service}.${ending}`, 'utf8')
    } catch {
      continue
    }
    const parsed: unknown = parseYaml(text) ?? {}
    if (typeof parsed !== 'object') throw new Error(`${dir}/${service}.${ending} is not a map of rules`)
    return Object.fromEntries(Object.entries(parsed as object).map(([name, rule]) => [name, String(rule)]))
  }
  return {}
}
