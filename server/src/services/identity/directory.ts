// What identity asks of a directory that keeps the users and groups of a domain. It knows no HTTP, no table and no role:
// it finds people, says what groups they are in, and tells whether a password is theirs.
import type { TextFilter } from './matching.ts'

export interface DirectoryUser {
  /** The directory's own id, which no other user of it has or will have. */
  localId: string
  /** Where it is in the directory (LDAP's DN). */
  place: string
  name: string
  enabled: boolean
  email: string | null
  description: string | null
  defaultProjectId: string | null
  extra: Record<string, unknown>
}
export interface DirectoryGroup {
  localId: string
  place: string
  name: string
  description: string
  extra: Record<string, unknown>
}
/** One of a kind, by the directory's own id or by name. */
export type WhichEntry = { localId: string } | { name: string }
/** `complete` is false when there were more than may be listed. */
export interface Found<Entry> {
  entries: Entry[]
  complete: boolean
}

/** Every question throws unavailable when the directory does not answer, within its time limits. */
export interface Directory {
  findUser(which: WhichEntry): Promise<DirectoryUser | undefined>
  findGroup(which: WhichEntry): Promise<DirectoryGroup | undefined>
  listUsers(names: readonly TextFilter[]): Promise<Found<DirectoryUser>>
  listGroups(names: readonly TextFilter[]): Promise<Found<DirectoryGroup>>
  /** The groups that a user is in, through other groups too where the directory is set up so. */
  groupsOf(user: DirectoryUser): Promise<DirectoryGroup[]>
  usersIn(group: DirectoryGroup): Promise<Found<DirectoryUser>>
  /** Without a user it does the same work and says no. */
  verifyPassword(user: DirectoryUser | undefined, password: string): Promise<boolean>
  close(): Promise<void>
}

/** The directories of a cloud, by domain. */
export interface Directories {
  /** undefined for a domain whose users are our own; that costs no query in the usual case. */
  of(domainId: string | undefined): Promise<Directory | undefined>
  /** Whoever asks the same at the same time gets the same answer. */
  once(key: string, work: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

declare module '#lib/world.ts' {
  interface World {
    readonly directories: Directories
  }
}
