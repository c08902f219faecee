// Lists of a domain whose users a directory keeps: the directory is asked, what it says is noted, and the list is then read
// as any other, of those that it named.
import { forbidden } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import type { Directory } from '../directory.ts'
import type { TextFilter } from '../matching.ts'
import { seeGroups, seeUsers } from './model.ts'

interface Filter {
  text: TextFilter[]
  within?: string | undefined
  ids?: readonly string[] | undefined
}
type Known = Pick<World, 'db' | 'directories'>

/** Only a list of one domain asks its directory: one that is away must not hide the users of all others. */
const domainOf = ({ within, text }: Filter) =>
  within ?? text.find(({ field, how, ignoreCase }) => field === 'domain_id' && how === 'equals' && !ignoreCase)?.text

async function searched<Wanted extends Filter>(
  { directories }: Known,
  filter: Wanted,
  look: (directory: Directory, domainId: string, names: TextFilter[]) => Promise<string[]>,
): Promise<Wanted> {
  const domainId = domainOf(filter)
  const directory = await directories.of(domainId)
  if (!directory || domainId === undefined) return filter
  const names = filter.text.filter(({ field }) => field === 'name')
  const ids = await look(directory, domainId, names)
  // the directory compares names as it does, often without regard to case: who it found is who was meant
  return { ...filter, text: filter.text.filter(({ field }) => field !== 'name'), ids }
}

/** Throws unavailable when the directory does not answer. */
export const searchUsers = <Wanted extends Filter>(world: Known, filter: Wanted): Promise<Wanted> =>
  searched(world, filter, async (directory, domainId, names) =>
    seeUsers(world.db, domainId, (await directory.listUsers(names)).entries),
  )
export const searchGroups = <Wanted extends Filter>(world: Known, filter: Wanted): Promise<Wanted> =>
  searched(world, filter, async (directory, domainId, names) =>
    seeGroups(world.db, domainId, (await directory.listGroups(names)).entries),
  )

/** Throws forbidden, in Keystone's words, for what a directory keeps. */
export function requireOurs(row: { localId: string | null }): void {
  if (row.localId !== null) readOnly()
}
export async function requireOurDomain({ directories }: Known, domainId: string): Promise<void> {
  if (await directories.of(domainId)) readOnly()
}
export const readOnly = (): never => forbidden('LDAP does not support write operations')
