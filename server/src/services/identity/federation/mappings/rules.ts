// The rules of a mapping, read from their JSON once and for all: whatever is wrong with them is told to whoever stores them,
// not to those who would sign in. Their form is that of Keystone's schema versions 1.0, 2.0 and 3.0.
import { pythonRegex } from './regex.ts'
import { parseTemplate, type Template } from './template.ts'

/**
 * What the versions differ in. 2.0: the domain that stands beside a user or projects is theirs, where they name none. 3.0 too:
 * `projects_json`, and roles in projects that the rules no longer give are taken.
 */
export const schemaVersions = ['1.0', '2.0', '3.0'] as const
export type SchemaVersion = (typeof schemaVersions)[number]
export const isSchemaVersion = (text: string): text is SchemaVersion =>
  (schemaVersions as readonly string[]).includes(text)

export type DomainTemplate = { id: Template } | { name: Template }
/** A condition that a rule asks of an attribute, or what it takes from it. */
export interface Requirement {
  attribute: string
  test:
    | {
        kind: 'any_one_of' | 'not_any_of' | 'blacklist' | 'whitelist'
        isRegex: boolean
        matches: (value: string) => boolean
      }
    | undefined
}
export interface UserTemplate {
  id: Template | undefined
  name: Template | undefined
  email: Template | undefined
  domain: DomainTemplate | undefined
  type: 'ephemeral' | 'local'
}
export interface ProjectTemplate {
  name: Template
  domain: DomainTemplate | undefined
  roles: Template[]
}
/** One object of `local`: all that it gives. */
export interface Local {
  user: UserTemplate | undefined
  group: { id: Template } | { name: Template; domain: DomainTemplate } | undefined
  /** Names, in `domain` unless a value brings its own. */
  groups: Template[]
  groupIds: Template[]
  projects: ProjectTemplate[]
  /** The match whose text is a JSON list of projects. */
  projectsJson: number | undefined
  domain: DomainTemplate | undefined
}
export interface Rule {
  local: Local[]
  remote: Requirement[]
}
export interface Mapping {
  version: SchemaVersion
  rules: Rule[]
}

type Json = Record<string, unknown>

class Wrong extends Error {}
const wrong = (where: string, why: string): never => {
  throw new Wrong(`${where}: ${why}.`)
}

/** The mapping, or a sentence that says what is wrong with it. */
export function parseMapping(rules: unknown, version: string): Mapping | string {
  try {
    if (!isSchemaVersion(version))
      return `Invalid mapping: there is no schema version '${version.slice(0, 20)}', only ${schemaVersions.join(', ')}.`
    if (!Array.isArray(rules) || rules.length === 0)
      return 'Invalid mapping: rules must be a list of at least one rule.'
    if (rules.length > 1000) return 'Invalid mapping: more than 1000 rules.'
    return { version, rules: rules.map((rule, i) => parseRule(rule, `Invalid mapping, rule ${i + 1}`, version)) }
  } catch (error) {
    if (error instanceof Wrong) return error.message
    throw error
  }
}

function objectAt(value: unknown, where: string, allowed: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong(where, 'it must be an object')
  const unknown = Object.keys(value).find((key) => !allowed.includes(key))
  if (unknown !== undefined) wrong(where, `unknown member '${unknown}'; it may have ${allowed.join(', ')}`)
  return value as Json
}
function listAt(value: unknown, where: string): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : wrong(where, 'it must be a list')
}
function textAt(value: unknown, where: string): string {
  return typeof value === 'string' ? value : wrong(where, 'it must be a text')
}
function templateAt(value: unknown, where: string, matches: number): Template {
  const text = textAt(value, where)
  try {
    return parseTemplate(text, matches)
  } catch (error) {
    return wrong(where, (error as Error).message)
  }
}
const optional = <Result>(value: unknown, read: (value: unknown) => Result): Result | undefined =>
  value === undefined ? undefined : read(value)

function parseRule(value: unknown, where: string, version: SchemaVersion): Rule {
  const rule = objectAt(value, where, ['local', 'remote'])
  const remotes = listAt(rule['remote'], `${where}, remote`)
  if (remotes.length === 0) wrong(`${where}, remote`, 'it must have at least one member')
  const remote = remotes.map((each, i) => parseRequirement(each, `${where}, remote ${i + 1}`))
  const matches = remote.filter(givesValues).length
  const local = listAt(rule['local'], `${where}, local`).map((each, i) =>
    parseLocal(each, { where: `${where}, local ${i + 1}`, matches, version }),
  )
  return { local, remote }
}

/** Whether `{number}` may stand for what it took. */
export const givesValues = ({ test }: Requirement): boolean =>
  test === undefined || test.kind === 'whitelist' || test.kind === 'blacklist'

const conditions = ['any_one_of', 'not_any_of', 'blacklist', 'whitelist'] as const

function parseRequirement(value: unknown, where: string): Requirement {
  const given = objectAt(value, where, ['type', 'regex', ...conditions])
  const attribute = textAt(given['type'], `${where}, type`)
  const kinds = conditions.filter((kind) => given[kind] !== undefined)
  const [kind] = kinds
  if (kinds.length > 1) wrong(where, `${kinds.join(' and ')} cannot stand together; give each an object of its own`)
  const { regex = false } = given
  if (typeof regex !== 'boolean') wrong(`${where}, regex`, 'it must be true or false')
  if (kind === undefined) {
    if ('regex' in given) wrong(where, 'regex needs one of any_one_of, not_any_of, blacklist, whitelist')
    return { attribute, test: undefined }
  }
  const texts = listAt(given[kind], `${where}, ${kind}`).map((each, i) => textAt(each, `${where}, ${kind} ${i + 1}`))
  if (!regex) {
    const known = new Set(texts)
    return { attribute, test: { kind, isRegex: false, matches: (text) => known.has(text) } }
  }
  const expressions = texts.map((text, i) => {
    try {
      return pythonRegex(text)
    } catch (error) {
      return wrong(`${where}, ${kind} ${i + 1}`, (error as Error).message)
    }
  })
  return { attribute, test: { kind, isRegex: true, matches: (text) => expressions.some((each) => each.test(text)) } }
}

interface At {
  where: string
  matches: number
  version: SchemaVersion
}
const below = (at: At, name: string): At => ({ ...at, where: `${at.where}, ${name}` })

function parseLocal(value: unknown, at: At): Local {
  const allowed = ['user', 'group', 'groups', 'group_ids', 'projects', 'domain']
  if (at.version === '3.0') allowed.push('projects_json')
  const local = objectAt(value, at.where, allowed)
  return {
    user: optional(local['user'], (each) => parseUser(each, below(at, 'user'))),
    group: optional(local['group'], (each) => parseGroup(each, below(at, 'group'))),
    groups: optional(local['groups'], (each) => parseList(each, below(at, 'groups'))) ?? [],
    groupIds: optional(local['group_ids'], (each) => parseList(each, below(at, 'group_ids'))) ?? [],
    projects:
      optional(local['projects'], (each) =>
        listAt(each, `${at.where}, projects`).map((one, i) => parseProject(one, below(at, `project ${i + 1}`))),
      ) ?? [],
    projectsJson: optional(local['projects_json'], (each) => {
      const [piece, more] = templateAt(each, `${at.where}, projects_json`, at.matches)
      return typeof piece === 'number' && more === undefined
        ? piece
        : wrong(`${at.where}, projects_json`, 'it must be one {number} and nothing else')
    }),
    domain: optional(local['domain'], (each) => parseDomain(each, below(at, 'domain'))),
  }
}

function parseUser(value: unknown, at: At): UserTemplate {
  const user = objectAt(value, at.where, ['id', 'name', 'email', 'domain', 'type'])
  const template = (key: string) => optional(user[key], (each) => templateAt(each, `${at.where}, ${key}`, at.matches))
  const { type = 'ephemeral' } = user
  if (type !== 'ephemeral' && type !== 'local') return wrong(`${at.where}, type`, 'it must be ephemeral or local')
  const domain = optional(user['domain'], (each) => parseDomain(each, below(at, 'domain')))
  return { id: template('id'), name: template('name'), email: template('email'), domain, type }
}

function parseDomain(value: unknown, at: At): DomainTemplate {
  const domain = objectAt(value, at.where, ['id', 'name'])
  const { id, name } = domain
  if (id !== undefined) return { id: templateAt(id, `${at.where}, id`, at.matches) }
  if (name === undefined) return wrong(at.where, 'it must have an id or a name')
  return { name: templateAt(name, `${at.where}, name`, at.matches) }
}

function parseGroup(value: unknown, at: At): NonNullable<Local['group']> {
  const group = objectAt(value, at.where, ['id', 'name', 'domain'])
  if (group['id'] !== undefined) {
    if (group['name'] !== undefined || group['domain'] !== undefined)
      wrong(at.where, 'it must have an id, or a name and a domain, not both')
    return { id: templateAt(group['id'], `${at.where}, id`, at.matches) }
  }
  if (group['name'] === undefined || group['domain'] === undefined)
    return wrong(at.where, 'it must have an id, or a name and a domain')
  return {
    name: templateAt(group['name'], `${at.where}, name`, at.matches),
    domain: parseDomain(group['domain'], below(at, 'domain')),
  }
}

/** `{0}`, `a;b`, or a list as Python writes it: `['a', '{0}']`. */
function parseList(value: unknown, at: At): Template[] {
  const text = textAt(value, at.where)
  const listed = /^\s*\[(.*)\]\s*$/s.exec(text)
  const texts = listed ? quotedIn(listed[1]!, at.where) : text.split(';').filter((each) => each !== '')
  return texts.map((each) => templateAt(each, at.where, at.matches))
}
function quotedIn(text: string, where: string): string[] {
  if (!/^\s*(('[^']*'|"[^"]*")\s*(,\s*('[^']*'|"[^"]*")\s*)*,?\s*)?$/.test(text))
    wrong(where, `'[${text}]' is not a list of quoted texts`)
  return [...text.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double ?? '')
}

function parseProject(value: unknown, at: At): ProjectTemplate {
  const allowed = at.version === '1.0' ? ['name', 'roles'] : ['name', 'roles', 'domain']
  const project = objectAt(value, at.where, allowed)
  const roles = listAt(project['roles'], `${at.where}, roles`).map((each, i) => {
    const where = `${at.where}, role ${i + 1}`
    return templateAt(objectAt(each, where, ['name'])['name'], `${where}, name`, at.matches)
  })
  return {
    name: templateAt(project['name'], `${at.where}, name`, at.matches),
    domain: optional(project['domain'], (each) => parseDomain(each, below(at, 'domain'))),
    roles,
  }
}
