// What a mapping makes of an assertion: a user, groups, projects with roles. Pure: whether there are such groups and domains is
// for others to see. Rules are additive; the first user counts.
import {
  type DomainTemplate,
  givesValues,
  type Local,
  type Mapping,
  type ProjectTemplate,
  type Requirement,
  type Rule,
} from './rules.ts'
import { fillEach, fillText, type Template, type Values } from './template.ts'

/** What a provider says of a user: names of attributes, each with its values. */
export type Attributes = ReadonlyMap<string, Values>

export type DomainRef = { id: string } | { name: string }
export interface MappedUser {
  type: 'ephemeral' | 'local'
  id: string | undefined
  name: string | undefined
  email: string | undefined
  /** undefined: that of the provider. */
  domain: DomainRef | undefined
}
export interface MappedProject {
  name: string
  domain: DomainRef | undefined
  roles: string[]
}
export interface Mapped {
  user: MappedUser
  groupIds: string[]
  groupNames: { name: string; domain: DomainRef }[]
  projects: MappedProject[]
}
/** Why nobody came of it: a sentence for those who keep the mapping, not for who signs in. */
export interface Unmapped {
  why: string
}

/** The attribute that names a user where the rules do not, as Apache's modules set it. */
const remoteUser = 'REMOTE_USER'

// what an expression takes grows with the text, and nobody's name or group is longer
const longestTried = 1024

export function evaluate(mapping: Mapping, attributes: Attributes): Mapped | Unmapped {
  const tooLong = findTooLong(mapping, attributes)
  if (tooLong !== undefined)
    return {
      why: `A value of ${tooLong} is longer than the ${longestTried} characters that an expression is tried on.`,
    }
  const applied = mapping.rules.flatMap((rule) => {
    const matches = matchesOf(rule, attributes)
    return matches ? rule.local.map((local): Applied => ({ local, matches })) : []
  })
  if (applied.length === 0) return { why: 'No rule of the mapping applies to what the provider says.' }
  const user = userOf(mapping, applied)
  user.name ??= nonEmpty(attributes.get(remoteUser)?.join(';')) ?? user.id
  if (user.name === undefined) return { why: 'The mapping gives the user neither a name nor an id.' }
  const named = applied.map(groupNamesOf)
  const noDomain = named.find((each) => typeof each === 'string')
  if (noDomain !== undefined) return { why: noDomain }
  const projects = applied.map((each) => projectsOf(mapping, each))
  const unreadable = projects.find((each) => typeof each === 'string')
  if (unreadable !== undefined) return { why: unreadable }
  return {
    user,
    groupIds: [...new Set(applied.flatMap(groupIdsOf))],
    groupNames: distinct(named.flatMap((each) => (typeof each === 'string' ? [] : each))),
    projects: projects.flatMap((each) => (typeof each === 'string' ? [] : each)),
  }
}

/** An attribute that an expression is to be tried on, with a value too long for that. */
function findTooLong(mapping: Mapping, attributes: Attributes): string | undefined {
  return mapping.rules
    .flatMap(({ remote }) => remote.filter(({ test }) => test?.isRegex))
    .find(({ attribute }) => attributes.get(attribute)?.some((value) => value.length > longestTried))?.attribute
}

interface Applied {
  local: Local
  matches: readonly Values[]
}

/** What the rule takes from the attributes; undefined when it does not apply. */
function matchesOf(rule: Rule, attributes: Attributes): Values[] | undefined {
  const matches: Values[] = []
  for (const requirement of rule.remote) {
    const values = attributes.get(requirement.attribute)
    if (!values || values.length === 0 || !holds(requirement, values)) return undefined
    if (givesValues(requirement)) matches.push(left(requirement, values))
  }
  return matches
}
function holds({ test }: Requirement, values: Values): boolean {
  if (test?.kind === 'any_one_of') return values.some(test.matches)
  if (test?.kind === 'not_any_of') return !values.some(test.matches)
  return true
}
function left({ test }: Requirement, values: Values): Values {
  if (test?.kind === 'whitelist') return values.filter(test.matches)
  if (test?.kind === 'blacklist') return values.filter((value) => !test.matches(value))
  return values
}

const nonEmpty = (text: string | undefined) => (text === undefined || text === '' ? undefined : text)
const filled = (template: Template | undefined, { matches }: Pick<Applied, 'matches'>) =>
  template && nonEmpty(fillText(template, matches))

function domainOf(template: DomainTemplate | undefined, { matches }: Pick<Applied, 'matches'>): DomainRef | undefined {
  if (!template) return undefined
  return 'id' in template ? { id: fillText(template.id, matches) } : { name: fillText(template.name, matches) }
}

function userOf({ version }: Mapping, applied: readonly Applied[]): MappedUser {
  const from = applied.find(({ local }) => local.user !== undefined)
  const template = from?.local.user
  if (!from || !template)
    return { type: 'ephemeral', id: undefined, name: undefined, email: undefined, domain: undefined }
  // from 2.0 on, a domain beside the user is the user's; else the first that a rule names
  const beside = version === '1.0' ? undefined : (domainBeside(from) ?? domainBeside(applied.find(hasDomain)))
  return {
    type: template.type,
    id: filled(template.id, from),
    name: filled(template.name, from),
    email: filled(template.email, from),
    domain: domainOf(template.domain, from) ?? beside,
  }
}
const hasDomain = ({ local }: Applied) => local.domain !== undefined
const domainBeside = (applied: Applied | undefined) => applied && domainOf(applied.local.domain, applied)

function groupIdsOf({ local, matches }: Applied): string[] {
  const one = local.group && 'id' in local.group ? fillEach(local.group.id, matches) : []
  return [...one, ...local.groupIds.flatMap((each) => fillEach(each, matches))].filter((id) => id !== '')
}

/** A value may bring its domain: `JSON:{"name": …, "domain": {…}}`. */
function groupNamesOf(applied: Applied): { name: string; domain: DomainRef }[] | string {
  const { local, matches } = applied
  const found: { name: string; domain: DomainRef }[] = []
  if (local.group && 'name' in local.group) {
    const domain = domainOf(local.group.domain, applied)!
    found.push(...fillEach(local.group.name, matches).map((name) => ({ name, domain })))
  }
  const domain = domainBeside(applied)
  for (const value of local.groups.flatMap((each) => fillEach(each, matches))) {
    const group = value.startsWith('JSON:') ? groupIn(value.slice('JSON:'.length)) : domain && { name: value, domain }
    if (!group) return `The group '${value.slice(0, 100)}' comes without a domain, and none stands beside groups.`
    found.push(group)
  }
  return found.filter(({ name }) => name !== '')
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
const fieldsOf = (value: unknown) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as Record<string, unknown>
function domainIn(value: unknown): DomainRef | undefined {
  const { id, name } = fieldsOf(value)
  if (typeof id === 'string') return { id }
  return typeof name === 'string' ? { name } : undefined
}
function groupIn(text: string): { name: string; domain: DomainRef } | undefined {
  const { name, domain } = fieldsOf(readJson(text))
  const where = domainIn(domain)
  return typeof name === 'string' && where ? { name, domain: where } : undefined
}

function projectsOf({ version }: Mapping, applied: Applied): MappedProject[] | string {
  const { local, matches } = applied
  const beside = version === '1.0' ? undefined : domainBeside(applied)
  const given = local.projects.flatMap((each) => projectsFrom(each, applied, beside))
  if (local.projectsJson === undefined) return given
  for (const text of matches[local.projectsJson] ?? []) {
    const asserted = projectsIn(text)
    if (!asserted) return `'${text.slice(0, 100)}' is not a JSON list of projects with names and roles.`
    given.push(...asserted.map((each) => ({ ...each, domain: each.domain ?? beside })))
  }
  return given
}

/** A project for each value, where its name is one match and nothing else. */
function projectsFrom(template: ProjectTemplate, applied: Applied, beside: DomainRef | undefined): MappedProject[] {
  const domain = domainOf(template.domain, applied) ?? beside
  const roles = template.roles.flatMap((each) => fillEach(each, applied.matches)).filter((name) => name !== '')
  return fillEach(template.name, applied.matches)
    .filter((name) => name !== '')
    .map((name) => ({ name, domain, roles }))
}

function projectsIn(text: string): MappedProject[] | undefined {
  const list = readJson(text)
  if (!Array.isArray(list)) return undefined
  const projects: MappedProject[] = []
  for (const each of list) {
    const { name, roles, domain } = fieldsOf(each)
    const names = Array.isArray(roles) ? roles.map((role) => fieldsOf(role)['name']) : undefined
    if (typeof name !== 'string' || !names?.every((role) => typeof role === 'string')) return undefined
    projects.push({ name, roles: names, domain: domainIn(domain) })
  }
  return projects
}

function distinct<Row>(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()]
}
