// A directory that is spoken to by LDAP (RFC 4511), read only.
import { randomBytes } from 'node:crypto'
import {
  BusyError,
  type Client,
  type Entry,
  type Filter,
  InvalidCredentialsError,
  ResultCodeError,
  SizeLimitExceededError,
  UnavailableError,
} from 'ldapts'
import { Fault } from '#lib/fault.ts'
import type { Log } from '#lib/log.ts'
import type { Directory, DirectoryGroup, DirectoryUser, Found, WhichEntry } from '../directory.ts'
import type { DomainConfig } from '../domain-config/model.ts'
import type { TextFilter } from '../matching.ts'
import { openConnection } from './connection.ts'
import { dnKey } from './dn.ts'
import { attributesOf, type Emulated, groupOf, idValue, userOf } from './entry.ts'
import { all, any, is, isInChain, isText, isThere, ofKind } from './filter.ts'
import { groupsOfUser, membersOfGroup, readMembers } from './members.ts'
import { makePool } from './pool.ts'
import { readEntry, search } from './search.ts'
import { type EntrySettings, type LdapSettings, readLdapSettings } from './settings.ts'

const activeDirectory = '1.2.840.113556.1.4.800'
/** Members that are looked up at the same time on one connection. */
const atOnce = 50

/** Who signs in is told no more than this; the operator reads the reason in the log. */
const silent = 'The directory of this domain does not answer: its users and groups are not known until it does.'
const cut =
  'The directory of this domain gives only a part of what was asked: ask for less, or let its operator set page_size.'
const unusable =
  'The directory of this domain cannot be used as it is configured: its operator finds the reason in the log.'

/** Connects when it is first asked. */
export function ldapDirectory(domainId: string, config: DomainConfig, log: Log): Directory {
  let known: LdapSettings | undefined
  const settings = (): LdapSettings => {
    try {
      if (known) return known
      const read = readLdapSettings(config)
      // an operator's filter that cannot be read is found now
      for (const kind of [read.user, read.group]) ofKind(kind)
      return (known = read)
    } catch (error) {
      log.warn({ err: error, domainId }, 'the [ldap] options of a domain cannot be used')
      throw new Fault('unavailable', unusable, { cause: error })
    }
  }
  const away = (reason: unknown) => {
    log.warn({ err: reason, domainId }, 'a directory does not answer')
    return new Fault('unavailable', silent, { cause: reason })
  }
  let pools: { questions: ReturnType<typeof makePool>; signIns: ReturnType<typeof makePool> } | undefined
  const open = () => {
    const given = settings()
    return (pools ??= {
      questions: makePool(given.pool, () => openConnection(given, log, true), away),
      signIns: makePool(given.authPool, () => openConnection(given, log, false), away),
    })
  }

  /** Whatever goes wrong on the way is the directory's fault, or its operator's. */
  const ask = async <Result>(question: (client: Client, given: LdapSettings) => Promise<Result>): Promise<Result> => {
    const given = settings()
    try {
      return await open().questions.use((client) => question(client, given))
    } catch (error) {
      if (error instanceof Fault) throw error
      if (error instanceof SizeLimitExceededError) throw new Fault('unavailable', cut, { cause: error })
      if (!(error instanceof ResultCodeError) || error instanceof BusyError || error instanceof UnavailableError)
        throw away(error)
      log.warn({ err: error, domainId }, 'a directory refused a question')
      throw new Fault('unavailable', unusable, { cause: error })
    }
  }

  let chains: boolean | undefined
  const followsGroups = async (client: Client, { group }: LdapSettings) =>
    group.nested && (chains ??= await isActiveDirectory(client))

  const list = (client: Client, given: LdapSettings, kind: EntrySettings, filters: readonly Filter[]) =>
    search(client, {
      base: kind.treeDn,
      scope: given.scope,
      filter: all([...ofKind(kind), ...filters]),
      attributes: attributesOf(kind),
      pageSize: given.pageSize,
      limit: given.listLimit,
    })
  const which = (kind: EntrySettings, by: WhichEntry): Filter =>
    'name' in by ? is(kind.nameAttribute, by.name) : is(kind.idAttribute, idValue(kind.idAttribute, by.localId))

  const users = async (client: Client, given: LdapSettings, filters: readonly Filter[]) => {
    const { entries, complete } = await list(client, given, given.user, filters)
    return { entries: await readUsers(client, given, entries), complete }
  }
  const groups = async (client: Client, given: LdapSettings, filters: readonly Filter[]) => {
    const { entries, complete } = await list(client, given, given.group, filters)
    return { entries: entries.map((entry) => groupOf(entry, given.group)).filter((row) => row !== undefined), complete }
  }

  return {
    async findUser(by) {
      if ('name' in by && by.name === '') return undefined
      return ask(async (client, given) => only(await users(client, given, [which(given.user, by)])))
    },
    async findGroup(by) {
      if ('name' in by && by.name === '') return undefined
      return ask(async (client, given) => only(await groups(client, given, [which(given.group, by)])))
    },
    listUsers: (names) => ask((client, given) => users(client, given, texts(given.user, names))),
    listGroups: (names) => ask((client, given) => groups(client, given, texts(given.group, names))),
    groupsOf: (user) =>
      ask(async (client, given) => groupsOfUser(client, given, user, await followsGroups(client, given))),
    usersIn: (group) =>
      ask(async (client, given) =>
        (await followsGroups(client, given)) && !given.group.membersAreIds
          ? users(client, given, [isInChain('memberOf', group.place)])
          : namedUsers(client, given, group),
      ),
    async verifyPassword(user, password) {
      // an LDAP server takes a bind without a password for an anonymous one, and says yes (RFC 4513, 5.1.2)
      if (password === '') return false
      const dn = user?.place ?? `cn=${randomBytes(8).toString('hex')},${settings().user.treeDn}`
      try {
        await open().signIns.use((client) => client.bind(dn, password))
        return user !== undefined
      } catch (error) {
        if (error instanceof Fault) throw error
        if (!(error instanceof ResultCodeError)) throw away(error)
        if (!(error instanceof InvalidCredentialsError))
          log.info({ err: error, domainId }, 'a directory refused a sign-in')
        return false
      }
    },
    async close() {
      pools?.questions.close()
      pools?.signIns.close()
    },
  }

  async function namedUsers(client: Client, given: LdapSettings, group: DirectoryGroup): Promise<Found<DirectoryUser>> {
    const { members, complete } = await membersOfGroup(client, given, group)
    const found: Entry[] = []
    for (let i = 0; i < members.length; i += atOnce) {
      const some = members.slice(i, i + atOnce)
      if (given.group.membersAreIds) {
        const ids = some.map((id) => is(given.user.idAttribute, idValue(given.user.idAttribute, id)))
        found.push(...(await list(client, given, given.user, [any(ids)])).entries)
      } else {
        const read = (dn: string) => readEntry(client, dn, all(ofKind(given.user)), attributesOf(given.user))
        found.push(...(await Promise.all(some.map(read))).filter((entry) => entry !== undefined))
      }
    }
    return { entries: await readUsers(client, given, found), complete }
  }
}

async function readUsers(client: Client, given: LdapSettings, entries: readonly Entry[]): Promise<DirectoryUser[]> {
  const { emulation } = given.user
  let emulated: Emulated | undefined
  if (emulation && entries.length > 0) {
    const members = await readMembers(
      client,
      emulation.dn,
      is('objectClass', emulation.objectClass),
      emulation.memberAttribute,
    )
    const keys = new Set(emulation.membersAreIds ? members : members.map(dnKey))
    emulated = ({ place, localId }) => keys.has(emulation.membersAreIds ? localId : dnKey(place))
  }
  return entries.map((entry) => userOf(entry, given.user, emulated)).filter((user) => user !== undefined)
}

const texts = (kind: EntrySettings, names: readonly TextFilter[]) =>
  names.map((name) => isText(kind.nameAttribute, name))

/** An id or a name that several have is nobody's: whose it is cannot be told. */
function only<Row>({ entries }: Found<Row>): Row | undefined {
  return entries.length === 1 ? entries[0] : undefined
}

async function isActiveDirectory(client: Client): Promise<boolean> {
  const root = await readEntry(client, '', isThere('objectClass'), ['supportedCapabilities'])
  return [root?.['supportedCapabilities'] ?? []].flat().includes(activeDirectory)
}
