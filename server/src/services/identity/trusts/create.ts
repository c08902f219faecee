import type { Db, Tx } from '#lib/db.ts'
import { forbidden, invalid, notFound } from '#lib/fault.ts'
import { findProject } from '../projects/model.ts'
import { findGlobalRole } from '../roles/model.ts'
import { rolesOf } from '../tokens/roles-of.ts'
import { findUser } from '../users/model.ts'
import { findTrust, insertTrust, originOf, type Trust } from './model.ts'

/** How often a trust may be handed on, as Keystone's default has it. */
const maxRedelegations = 3

export interface NewTrust {
  trustorUserId: string
  trusteeUserId: string
  projectId: string | null
  impersonation: boolean
  roles: readonly ({ id: string } | { name: string })[]
  expiresAt: Date | null
  remainingUses: number | null
  redelegable: boolean
  redelegationCount: number | undefined
  extra: Record<string, unknown>
  /** The trust whose token asks for this one. */
  from: string | null
}

/**
 * The trustor lets the trustee act with some of the trustor's roles in a project. Throws forbidden when redelegation goes
 * further than the trust it comes from allows, notFound for a role that the trustor does not have.
 */
export async function createTrust(tx: Tx, spec: NewTrust): Promise<Trust> {
  if (spec.projectId !== null && spec.roles.length === 0) forbidden('A trust in a project needs at least one role.')
  if (!(await findUser(tx, spec.trusteeUserId))) notFound('User', spec.trusteeUserId)
  if (spec.projectId !== null && !(await findProject(tx, spec.projectId))) notFound('Project', spec.projectId)
  const source = spec.from === null ? undefined : await findTrust(tx, spec.from)
  const roleIds: string[] = []
  for (const each of spec.roles) {
    const id = 'id' in each ? each.id : (await findGlobalRole(tx, each.name))?.id
    roleIds.push(id ?? notFound('Role', 'name' in each ? each.name : ''))
  }
  await requireHeld(tx, source ? await originOf(tx, source) : spec.trustorUserId, spec.projectId, roleIds)
  const redelegationCount = countFor(spec, source)
  if (source) requireWithin(spec, roleIds, source)
  return insertTrust(tx, {
    trustorUserId: spec.trustorUserId,
    trusteeUserId: spec.trusteeUserId,
    projectId: spec.projectId,
    impersonation: spec.impersonation,
    roleIds,
    expiresAt: spec.expiresAt ?? source?.expiresAt ?? null,
    remainingUses: spec.remainingUses,
    redelegatedTrustId: source?.id ?? null,
    redelegationCount,
    extra: spec.extra,
  })
}

async function requireHeld(db: Db, userId: string, projectId: string | null, roleIds: string[]): Promise<void> {
  if (projectId === null) {
    if (roleIds.length > 0) notFound('Role', roleIds[0]!)
    return
  }
  const held = new Set((await rolesOf(db, userId, 'project', projectId, { domainRoles: true })).map(({ id }) => id))
  for (const id of roleIds) if (!held.has(id)) notFound('Role', id)
}

function countFor(spec: NewTrust, source: Trust | undefined): number {
  const asked = spec.redelegationCount
  if (!spec.redelegable || asked === 0) return 0
  if (spec.remainingUses !== null) invalid('remaining_uses must not be set if redelegation is allowed.')
  if (asked !== undefined && asked > maxRedelegations)
    forbidden(`A trust can be handed on ${maxRedelegations} times and no more.`)
  if (!source) return asked ?? maxRedelegations
  if (asked !== undefined && asked !== source.redelegationCount - 1)
    forbidden('redelegation_count cannot be chosen when a trust is handed on: leave it out.')
  return source.redelegationCount - 1
}

function requireWithin(spec: NewTrust, roleIds: string[], source: Trust): void {
  if (source.redelegationCount < 1) forbidden('This trust cannot be handed on.')
  if (spec.projectId !== source.projectId) forbidden('A trust is handed on within its project.')
  if (roleIds.some((id) => !source.roleIds.includes(id))) forbidden('A trust is handed on with its own roles or fewer.')
  if (source.expiresAt && spec.expiresAt && spec.expiresAt > source.expiresAt)
    forbidden('A trust that is handed on cannot end later than the one it comes from.')
  if (spec.impersonation && !source.impersonation) forbidden('Impersonation is not allowed by the trust handed on.')
}
