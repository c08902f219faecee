// Who is in which group: by DN or by id, through other groups too where the settings say so. Active Directory follows
// groups itself; for other servers we walk, so far and no further.
import type { Client } from 'ldapts'
import type { DirectoryGroup, DirectoryUser } from '../directory.ts'
import { dnKey, isWithin } from './dn.ts'
import { attributesOf, groupOf } from './entry.ts'
import { all, any, is, isInChain, ofKind } from './filter.ts'
import { allValues, readEntry, search } from './search.ts'
import type { LdapSettings } from './settings.ts'

const mostGroups = 2000
const mostLevels = 16
/** Alternatives in one filter: servers limit the size of a question. */
const atOnce = 100

function* chunks<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let i = 0; i < items.length; i += atOnce) yield items.slice(i, i + atOnce)
}

/** `chains`: the server follows groups through groups. */
export async function groupsOfUser(
  client: Client,
  settings: LdapSettings,
  user: DirectoryUser,
  chains: boolean,
): Promise<DirectoryGroup[]> {
  const { memberAttribute, membersAreIds, nested } = settings.group
  const found = new Map<string, DirectoryGroup>()
  let asked = [membersAreIds ? user.localId : user.place]
  for (let level = 0; asked.length > 0 && level < mostLevels && found.size < mostGroups; level++) {
    const next: string[] = []
    for (const some of chunks(asked)) {
      const has = some.map((member) =>
        nested && chains && !membersAreIds ? isInChain(memberAttribute, member) : is(memberAttribute, member),
      )
      const { entries } = await search(client, {
        base: settings.group.treeDn,
        scope: settings.scope,
        filter: all([...ofKind(settings.group), any(has)]),
        attributes: attributesOf(settings.group),
        pageSize: settings.pageSize,
        limit: Infinity,
      })
      for (const entry of entries) {
        const key = dnKey(entry.dn)
        const group = groupOf(entry, settings.group)
        if (!group || found.has(key)) continue
        found.set(key, group)
        next.push(group.place)
      }
    }
    // groups are members of groups by their DN only
    asked = nested && !chains && !membersAreIds ? next : []
  }
  return [...found.values()]
}

/** The DNs or ids that a group, and the groups in it, name as members. */
export async function membersOfGroup(
  client: Client,
  settings: LdapSettings,
  group: Pick<DirectoryGroup, 'place'>,
): Promise<{ members: string[]; complete: boolean }> {
  const { memberAttribute, membersAreIds, nested } = settings.group
  const members = new Map<string, string>()
  const seen = new Set([dnKey(group.place)])
  let places = [group.place]
  for (let level = 0; places.length > 0 && level < mostLevels; level++) {
    const next: string[] = []
    for (const place of places) {
      for (const member of await readMembers(client, place, all(ofKind(settings.group)), memberAttribute)) {
        if (membersAreIds) members.set(member, member)
        else if (isWithin(member, settings.user.treeDn) || isWithin(member, settings.group.treeDn)) {
          const key = dnKey(member)
          members.set(key, member)
          if (nested && isWithin(member, settings.group.treeDn) && !seen.has(key)) {
            seen.add(key)
            next.push(member)
          }
        }
      }
      if (seen.size > mostGroups || members.size > settings.listLimit)
        return { members: [...members.values()].slice(0, settings.listLimit), complete: false }
    }
    places = next
  }
  return { members: [...members.values()], complete: places.length === 0 }
}

/** What an entry names as its members; none for one that is not there. */
export async function readMembers(
  client: Client,
  dn: string,
  filter: ReturnType<typeof all>,
  attribute: string,
): Promise<string[]> {
  const entry = await readEntry(client, dn, filter, [attribute])
  return entry ? allValues(entry, attribute, (name) => readEntry(client, dn, filter, [name])) : []
}
