// Reads again what a directory says of those that are known here. Rows that were read this moment are believed for
// `directorySeconds`; that is how long somebody who was disabled or removed in the directory can go on.
import type { World } from '#lib/world.ts'
import type { Directory, DirectoryUser } from '../directory.ts'
import { findGroup } from '../groups/model.ts'
import type { Group, User } from '../model.ts'
import { findUser } from '../users/model.ts'
import { loseGroup, loseUser, noteSeen, seeGroups, seeGroupsOf, seeUsers, seeUsersIn } from './model.ts'

type Known = Pick<World, 'db' | 'config' | 'directories'>

/** Until when a row is believed: forever, if it is our own. */
export function believedUntilMs({ config }: Pick<World, 'config'>, seenAt: Date | null): number {
  return seenAt === null ? Infinity : seenAt.getTime() + config.directorySeconds * 1000
}

/** A user as they are, or as they were seen within the time; undefined when there is none. Throws unavailable. */
export async function findUserNow(world: Known, id: string) {
  const row = await findUser(world.db, id)
  if (!row || believedUntilMs(world, row.seenAt) > Date.now()) return row
  await refreshUser(world, row)
  return findUser(world.db, id)
}
export async function findGroupNow(world: Known, id: string) {
  const row = await findGroup(world.db, id)
  if (!row || believedUntilMs(world, row.seenAt) > Date.now()) return row
  await refreshGroup(world, row)
  return findGroup(world.db, id)
}

/** The user and the groups they are in. Throws unavailable when the directory does not answer. */
export function refreshUser(world: Known, row: Pick<User, 'id' | 'domainId' | 'localId' | 'gone'>): Promise<void> {
  return world.directories.once(row.id, async () => {
    if (row.localId === null) return
    const directory = await world.directories.of(row.domainId)
    // a domain that has no directory any more has none of its users
    const entry = await directory?.findUser({ localId: row.localId })
    if (!directory || !entry) return loseUser(world.db, row)
    await seeUserWithGroups(world, row.domainId, directory, entry)
  })
}

/** Notes a user of the directory and the groups they are in. */
export async function seeUserWithGroups(
  { db }: Pick<World, 'db'>,
  domainId: string,
  directory: Directory,
  entry: DirectoryUser,
): Promise<void> {
  const at = new Date()
  const groups = await directory.groupsOf(entry)
  const [id = ''] = await seeUsers(db, domainId, [entry])
  await seeGroupsOf(db, id, await seeGroups(db, domainId, groups))
  await noteSeen(db, 'user', id, at)
}

async function refreshGroup(world: Known, row: Group): Promise<void> {
  if (row.localId === null) return
  const at = new Date()
  const directory = await world.directories.of(row.domainId)
  const entry = await directory?.findGroup({ localId: row.localId })
  if (!entry) return loseGroup(world.db, row)
  await seeGroups(world.db, row.domainId, [entry])
  await noteSeen(world.db, 'group', row.id, at)
}

/** Who is in the group. */
export async function refreshMembers(world: Known, row: Group): Promise<void> {
  if (row.localId === null) return
  const directory = await world.directories.of(row.domainId)
  const entry = await directory?.findGroup({ localId: row.localId })
  if (!directory || !entry) return loseGroup(world.db, row)
  const { entries, complete } = await directory.usersIn(entry)
  await seeUsersIn(world.db, row.id, await seeUsers(world.db, row.domainId, entries), complete)
}
