// Keystone's [ldap] options of one domain, as they are used here. Whoever writes them by hand writes strings, numbers and
// lists in several ways: all of them are understood.
import { defaults } from '../domain-config/options.ts'
import type { DomainConfig } from '../domain-config/model.ts'

/** Where entries of one kind are, and what is read of them. */
export interface EntrySettings {
  treeDn: string
  objectClass: string
  /** The operator's own filter, LDAP's syntax (RFC 4515). */
  filter: string | undefined
  idAttribute: string
  nameAttribute: string
  descriptionAttribute: string | undefined
  /** LDAP's attribute → ours. */
  additional: ReadonlyMap<string, string>
}
export interface UserSettings extends EntrySettings {
  mailAttribute: string | undefined
  defaultProjectAttribute: string | undefined
  enabledAttribute: string | undefined
  enabledMask: number
  enabledInvert: boolean
  enabledDefault: string
  /** Who is a member of this group is enabled. */
  emulation: { dn: string; objectClass: string; memberAttribute: string; membersAreIds: boolean } | undefined
}
export interface GroupSettings extends EntrySettings {
  memberAttribute: string
  membersAreIds: boolean
  nested: boolean
}

export interface LdapSettings {
  /** Tried in this order. */
  urls: string[]
  account: { dn: string; password: string } | undefined
  scope: 'one' | 'sub'
  /** 0: without paging. */
  pageSize: number
  /** At most so many entries in one list. */
  listLimit: number
  startTls: boolean
  caFile: string | undefined
  caDir: string | undefined
  checkCertificate: 'demand' | 'allow' | 'never'
  connectMs: number
  /** For one question. */
  answerMs: number
  pool: { size: number; lifetimeMs: number }
  authPool: { size: number; lifetimeMs: number }
  user: UserSettings
  group: GroupSettings
}

const mostListed = 10_000
const usualConnectMs = 5000
const usualAnswerMs = 10_000

/** Throws an Error with a sentence for the operator when something cannot be used. */
export function readLdapSettings(config: DomainConfig): LdapSettings {
  const given = config['ldap'] ?? {}
  const raw = (name: string): unknown => given[name] ?? defaults['ldap']?.[name] ?? undefined
  const text = (name: string): string | undefined => {
    const value = raw(name)
    return value === undefined || value === '' ? undefined : String(value)
  }
  const required = (name: string) => text(name) ?? fail(`The option ${name} is not set.`)
  const flag = (name: string) => /^(true|1|yes|on)$/i.test(String(raw(name) ?? false))
  const number = (name: string) => {
    const value = Number(raw(name) ?? 0)
    return Number.isFinite(value) ? value : fail(`The option ${name} is not a number: ${String(raw(name))}.`)
  }
  const list = (name: string): string[] => {
    const value = raw(name)
    const parts: unknown[] = Array.isArray(value) ? value : String(value ?? '').split(',')
    return parts.map((part) => String(part).trim()).filter((part) => part !== '')
  }
  const oneOf = <Choice extends string>(name: string, choices: readonly Choice[]): Choice =>
    choices.find((choice) => choice === String(raw(name)).toLowerCase()) ??
    fail(`The option ${name} is one of ${choices.join(', ')}, not ${String(raw(name))}.`)
  const ignored = { user: new Set(list('user_attribute_ignore')), group: new Set(list('group_attribute_ignore')) }
  const unlessIgnored = (kind: 'user' | 'group', ours: string, option: string) =>
    ignored[kind].has(ours) ? undefined : text(option)

  const urls = list('url')
  for (const url of urls) requireUrl(url)
  const suffix = required('suffix')
  const userTree = text('user_tree_dn') ?? `ou=Users,${suffix}`
  const account = text('user')
  const password = text('password')
  if (account !== undefined && password === undefined) fail('The option user is set, and password is not.')
  const timeoutMs = number('pool_connection_timeout') * 1000
  const listLimit = Number(config['identity']?.['list_limit'] ?? 0)
  const useGroupConfig = flag('user_enabled_emulation_use_group_config')
  return {
    urls: urls.length > 0 ? urls : fail('The option url is not set.'),
    account: account === undefined ? undefined : { dn: account, password: password ?? '' },
    scope: oneOf('query_scope', ['one', 'sub'] as const),
    pageSize: Math.max(0, Math.floor(number('page_size'))),
    listLimit: listLimit > 0 ? Math.min(listLimit, mostListed) : mostListed,
    startTls: flag('use_tls'),
    caFile: text('tls_cacertfile'),
    caDir: text('tls_cacertdir'),
    checkCertificate: oneOf('tls_req_cert', ['demand', 'allow', 'never'] as const),
    // -1 is Keystone's word for no limit: here there always is one
    connectMs: timeoutMs > 0 ? timeoutMs : usualConnectMs,
    answerMs: timeoutMs > 0 ? timeoutMs : usualAnswerMs,
    pool: pool(flag('use_pool'), number('pool_size'), number('pool_connection_lifetime')),
    authPool: pool(flag('use_auth_pool'), number('auth_pool_size'), number('auth_pool_connection_lifetime')),
    user: {
      treeDn: userTree,
      objectClass: required('user_objectclass'),
      filter: text('user_filter'),
      idAttribute: required('user_id_attribute'),
      nameAttribute: required('user_name_attribute'),
      descriptionAttribute: unlessIgnored('user', 'description', 'user_description_attribute'),
      mailAttribute: unlessIgnored('user', 'email', 'user_mail_attribute'),
      defaultProjectAttribute: unlessIgnored('user', 'default_project_id', 'user_default_project_id_attribute'),
      enabledAttribute: unlessIgnored('user', 'enabled', 'user_enabled_attribute'),
      enabledMask: number('user_enabled_mask'),
      enabledInvert: flag('user_enabled_invert'),
      enabledDefault: text('user_enabled_default') ?? 'True',
      emulation: flag('user_enabled_emulation')
        ? {
            dn: text('user_enabled_emulation_dn') ?? `cn=enabled_users,${userTree}`,
            objectClass: useGroupConfig ? required('group_objectclass') : 'groupOfNames',
            memberAttribute: useGroupConfig ? required('group_member_attribute') : 'member',
            membersAreIds: useGroupConfig && flag('group_members_are_ids'),
          }
        : undefined,
      additional: mappings(list('user_additional_attribute_mapping'), ignored.user),
    },
    group: {
      treeDn: text('group_tree_dn') ?? `ou=UserGroups,${suffix}`,
      objectClass: required('group_objectclass'),
      filter: text('group_filter'),
      idAttribute: required('group_id_attribute'),
      nameAttribute: required('group_name_attribute'),
      descriptionAttribute: unlessIgnored('group', 'description', 'group_desc_attribute'),
      memberAttribute: required('group_member_attribute'),
      membersAreIds: flag('group_members_are_ids'),
      nested: flag('group_ad_nesting'),
      additional: mappings(list('group_additional_attribute_mapping'), ignored.group),
    },
  }
}

function pool(used: boolean, size: number, lifetimeSeconds: number) {
  return used
    ? { size: Math.max(1, Math.floor(size)), lifetimeMs: Math.max(0, lifetimeSeconds) * 1000 }
    : // a connection for each question, still not more at once than a directory likes
      { size: 10, lifetimeMs: 0 }
}

/** `['gecos:full_name']`: what is not ours to set stays as it is. */
function mappings(pairs: readonly string[], ignored: ReadonlySet<string>): Map<string, string> {
  const never = new Set(['id', 'name', 'domain_id', 'enabled', 'links', 'options', 'password_expires_at', ...ignored])
  return new Map(
    pairs.flatMap((pair): [string, string][] => {
      const [theirs = '', ours = ''] = pair.split(':').map((part) => part.trim())
      if (theirs === '' || ours === '') fail(`An additional attribute is written ldap:ours, not ${pair}.`)
      return never.has(ours) ? [] : [[theirs, ours]]
    }),
  )
}

function requireUrl(url: string): void {
  if (!/^ldaps?:\/\/[^/\s]/i.test(url) || !URL.canParse(url)) fail(`The url ${url} is not that of an LDAP server.`)
}

function fail(sentence: string): never {
  throw new Error(sentence)
}
