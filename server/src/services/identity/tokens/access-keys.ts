// Who holds an access key: for services that check signatures themselves. Kept per process and forgotten when anything in
// identity changes, as tokens are: a check costs no query in the usual case, and what is taken away is gone at once.
import type { Actor } from '#lib/actor.ts'
import { Fault } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { findCredential, idOfAccess } from '../credentials/model.ts'
import { ec2Keys, standsFor } from './ec2.ts'
import { remembered } from './remembered.ts'
import { resolve, validUntilMs } from './resolve.ts'

export interface AccessKey {
  readonly access: string
  readonly secret: string
  /** As a token of the key would have it. */
  readonly actor: Actor
}
export interface AccessKeys {
  /** undefined for one that does not exist, or whose user, project, roles or delegation are gone or disabled. */
  find(access: string): Promise<AccessKey | undefined>
}

type Known = Pick<World, 'db' | 'config' | 'directories'>

export function accessKeys(world: Known): AccessKeys {
  const { db } = world
  const known = remembered<AccessKey & { untilMs: number }>(db)
  return {
    async find(access) {
      const kept = known.get(access)
      if (kept && kept.untilMs > Date.now()) return kept
      const now = known.since()
      const found = await read(world, access)
      if (found) now.keep(access, found)
      return found
    },
  }
}

async function read(world: Known, access: string): Promise<(AccessKey & { untilMs: number }) | undefined> {
  const { db } = world
  const row = await findCredential(db, idOfAccess(access))
  const keys = row && ec2Keys(row)
  if (!row || keys?.secret === undefined || row.projectId === null) return undefined
  const now = Date.now()
  try {
    const resolved = await resolve(world, db, {
      ...(await standsFor(db, row, keys)),
      methods: ['ec2credential'],
      auditIds: [],
      issuedAtMs: now,
      expiresAtMs: Infinity,
    })
    const untilMs = Math.min(validUntilMs(resolved), resolved.believedUntilMs)
    return { access, secret: keys.secret, actor: resolved.actor, untilMs }
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unauthenticated') return undefined
    throw error
  }
}
