// Who may do what: rules in oslo.policy's language (docs.openstack.org/oslo.policy, "Policy Rule Expressions"), compiled
// once to functions. Names and meaning are OpenStack's, so an operator's policy.yaml works; docs/policy.md tells what an
// operator may write beyond that.
import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import type { Actor } from '#lib/actor.ts'
import { Fault } from '#lib/fault.ts'
import { asksForRequest, asksForTags, type Circumstances, circumstancesKey } from '#lib/policy-condition.ts'
import { explain, type Explanation } from '#lib/policy-explain.ts'
import { type Check, compile, readRule, type Rule, type Target } from '#lib/policy-rule.ts'

export type { Target }

/** Rule name → rule. The rules of one service; each route and each guarded field names one of them. */
export type Policies = Readonly<Record<string, string>>
/** Names that rules had once, each with those of today: files that say the old ones go on working. */
export type RenamedPolicies = Readonly<Record<string, readonly string[]>>

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
  return compile(readRule(text, name))
}

export interface Enforcer {
  allows(rule: string, actor: Actor, target: Target): boolean
  /** Throws forbidden. */
  require(rule: string, actor: Actor, target: Target): void
  has(rule: string): boolean
  readonly names: readonly string[]
  /** The same for one request: rules may ask where it came from and when. Itself when no rule does. */
  at(circumstances: () => Circumstances): Enforcer
  /** Whether a rule asks for the resource's tags. */
  readonly readsTags: boolean
  /** The whole answer: by which text, and what is missing. Slow; for those who ask why. */
  explain(rule: string, actor: Actor, target: Target, circumstances: Circumstances): Explanation
}

/**
 * What an operator says beside the defaults. `deny` names rules that win over what allows: for one rule, for those that
 * begin alike (`os_compute_api:servers:*`), or for all (`*`).
 */
export interface Overrides {
  readonly rules?: Policies
  readonly deny?: Readonly<Record<string, readonly string[]>>
}

/** The rules of one service, with an operator's overrides. Throws an Error for a rule that cannot be read. */
export function makeEnforcer(defaults: Policies, overrides: Overrides = {}): Enforcer {
  const texts: Policies = { ...defaults, ...overrides.rules }
  const rules = new Map<string, Rule>()
  const checks = new Map<string, Check>()
  for (const [name, text] of Object.entries(texts)) {
    const rule = readRule(text, name)
    rules.set(name, rule)
    checks.set(name, compile(rule))
  }
  const denies = deniesOf(overrides.deny ?? {}, [...rules.keys()])
  const all = Object.values(texts)
  const readsRequest = all.some(asksForRequest)
  const find = (name: string): Check => checks.get(name) ?? (() => false)
  const decide = (rule: string, creds: Target, target: Target) => {
    if (!find(rule)(creds, target, find)) return false
    const against = denies.get(rule)
    return against === undefined || !against.some((name) => find(name)(creds, target, find))
  }
  const enforcing = (credsOf: (actor: Actor) => Target): Enforcer => {
    const allows = (rule: string, actor: Actor, target: Target) => decide(rule, credsOf(actor), target)
    const enforcer: Enforcer = {
      allows,
      require(rule, actor, target) {
        if (!allows(rule, actor, target)) throw new Fault('forbidden', `Policy doesn't allow ${rule} to be performed.`)
      },
      has: (rule) => checks.has(rule),
      names: [...checks.keys()],
      at: (circumstances) => (readsRequest ? enforcing((actor) => within(actor, circumstances())) : enforcer),
      readsTags: all.some(asksForTags),
      explain: (rule, actor, target, circumstances) =>
        explain({ rules, texts, denies: denies.get(rule) ?? [] }, rule, within(actor, circumstances), target),
    }
    return enforcer
  }
  return enforcing(credentials)
}

function within(actor: Actor, circumstances: Circumstances): Target {
  return { ...credentials(actor), [circumstancesKey]: circumstances }
}

/** For each rule the names of those that deny it. Throws an Error for a name that is no rule's. */
function deniesOf(deny: NonNullable<Overrides['deny']>, names: readonly string[]): Map<string, string[]> {
  const denies = new Map<string, string[]>()
  for (const [pattern, deniers] of Object.entries(deny)) {
    const isMeant = (name: string) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern)
    const meant = names.filter((name) => isMeant(name) && !deniers.includes(name))
    if (meant.length === 0) throw new Error(`policy deny: there is no rule ${pattern}`)
    for (const denier of deniers) {
      if (!names.includes(denier))
        throw new Error(`policy deny: there is no rule ${denier}, which should deny ${pattern}`)
      for (const name of meant) denies.set(name, [...(denies.get(name) ?? []), denier])
    }
  }
  return denies
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
      // signed in with more than one kind of proof
      mfa: (actor.methods ?? []).includes('totp'),
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

/**
 * What an operator writes under an old name is meant for all the rules that it became, but for those that the file names
 * as well.
 */
function underTodaysNames(rules: Policies, renamed: RenamedPolicies): Policies {
  const today: Record<string, string> = { ...rules }
  for (const [old, names] of Object.entries(renamed)) {
    const text = rules[old]
    if (text !== undefined) for (const name of names) today[name] ??= text
  }
  return today
}

/** Names in an operator's file that no service asks for and no other rule refers to: they have no effect. */
export function idleOverrides(defaults: Policies, { rules = {}, deny = {} }: Overrides, renamed: RenamedPolicies) {
  const texts = [...Object.values(defaults), ...Object.values(rules)]
  const referred = new Set(texts.flatMap((text) => [...text.matchAll(/rule:([^\s()]+)/g)].map(([, name]) => name)))
  const denying = new Set(Object.values(deny).flat())
  return Object.keys(rules).filter(
    (name) =>
      !Object.hasOwn(defaults, name) && !Object.hasOwn(renamed, name) && !referred.has(name) && !denying.has(name),
  )
}

/** `<dir>/<service>.yaml` (or .json), when there is one. */
export function readOverrides(dir: string, service: string, renamed: RenamedPolicies = {}): Overrides {
  if (!dir) return {}
  for (const ending of ['yaml', 'json']) {
    let text: string
    try {
      text = readFileSync(`${dir}/${service}.${ending}`, 'utf8')
    } catch {
      continue
    }
    const file = `${dir}/${service}.${ending}`
    const parsed: unknown = parseYaml(text) ?? {}
    if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error(`${file} is not a map of rules`)
    const { deny, ...rules } = parsed as Record<string, unknown>
    const texts = Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, textOf(rule)]))
    return {
      rules: underTodaysNames(texts, renamed),
      ...(deny !== undefined && { deny: readDeny(deny, file) }),
    }
  }
  return {}
}

/** A rule as it is written; files of old have lists, one of which must hold, and of each all its members. */
function textOf(rule: unknown): string {
  if (!Array.isArray(rule)) return String(rule)
  return rule.map((each) => `(${[each].flat().join(' and ')})`).join(' or ')
}

/** A list of names (they deny everything), or a map from rules to such lists. */
function readDeny(deny: unknown, file: string): Record<string, string[]> {
  const isNames = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((each) => typeof each === 'string')
  if (isNames(deny)) return { '*': deny }
  const lists: Record<string, string[]> = {}
  if (typeof deny !== 'object' || deny === null) throw new Error(`${file}: deny is no list of rules and no map of them`)
  for (const [name, list] of Object.entries(deny)) {
    if (!isNames(list)) throw new Error(`${file}: what denies ${name} is not a list of rules`)
    lists[name] = list
  }
  return lists
}
