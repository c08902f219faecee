// Projects of a mapping: made where they are not there yet, with the roles that the mapping gives in them.
import { and, type Db, eq, inArray, type Tx } from '#lib/db.ts'
import { insertGrant, removeGrant } from '../../assignments/model.ts'
import { type Project, project, type Role, role, roleAssignment } from '../../model.ts'
import { insertProject } from '../../projects/model.ts'
import type { DomainRef, MappedProject } from '../mappings/engine.ts'
import { refuse } from './refusal.ts'

/** The id of a domain that is there. Refuses when it is not. */
export async function domainIdOf(db: Db, ref: DomainRef): Promise<string> {
  const named = 'id' in ref ? eq(project.id, ref.id) : eq(project.name, ref.name)
  const [found] = await db
    .select({ id: project.id })
    .from(project)
    .where(and(named, eq(project.isDomain, true)))
  return found?.id ?? refuse(`The mapping names a domain that is not there: ${JSON.stringify(ref)}.`)
}

export interface Provision {
  userId: string
  /** Where projects are that name no domain. */
  domainId: string
  projects: readonly MappedProject[]
  /** Roles in projects that the mapping does not give (any more) are taken. */
  takesAway: boolean
}

/** Whether anything changed. Refuses, before anything is made, when a role or a domain is not there. */
export async function provisionProjects(
  tx: Tx,
  { userId, domainId, projects, takesAway }: Provision,
): Promise<boolean> {
  const wanted: { name: string; roles: string[]; domainId: string }[] = []
  for (const { name, roles, domain } of projects)
    wanted.push({ name: name.trim(), roles, domainId: domain ? await domainIdOf(tx, domain) : domainId })
  const roles = await rolesNamed(tx, [...new Set(wanted.flatMap((each) => each.roles))])
  for (const each of wanted) for (const name of each.roles) roleFor(roles, name, each.domainId)
  let changed = false
  const kept = new Set<string>()
  for (const each of wanted) {
    const { target, isNew } = await ensureProject(tx, each.name, each.domainId)
    changed ||= isNew
    for (const name of each.roles) {
      const given = roleFor(roles, name, each.domainId)
      kept.add(`${target.id} ${given.id}`)
      changed = (await ensureGrant(tx, userId, target, given)) || changed
    }
  }
  return (takesAway && (await takeOthers(tx, userId, kept))) || changed
}

async function rolesNamed(db: Db, names: readonly string[]): Promise<Role[]> {
  return names.length === 0
    ? []
    : db
        .select()
        .from(role)
        .where(inArray(role.name, [...names]))
}
/** One for all, or the domain's own. */
function roleFor(roles: readonly Role[], name: string, domainId: string): Role {
  const named = roles.filter((each) => each.name === name)
  return (
    named.find((each) => each.domainId === null) ??
    named.find((each) => each.domainId === domainId) ??
    refuse(`The mapping gives a role that is not there, or is of another domain: ${name}.`)
  )
}

async function ensureProject(tx: Tx, name: string, domainId: string): Promise<{ target: Project; isNew: boolean }> {
  const [found] = await tx
    .select()
    .from(project)
    .where(and(eq(project.name, name), eq(project.domainId, domainId), eq(project.isDomain, false)))
  if (found) return { target: found, isNew: false }
  const spec = {
    name,
    domainId,
    parentId: domainId,
    isDomain: false,
    description: '',
    enabled: true,
    tags: [],
    options: {},
    extra: {},
  }
  return { target: await insertProject(tx, spec), isNew: true }
}

const direct = (userId: string) =>
  and(
    eq(roleAssignment.actorKind, 'user'),
    eq(roleAssignment.actorId, userId),
    eq(roleAssignment.targetKind, 'project'),
    eq(roleAssignment.inherited, false),
  )

async function ensureGrant(tx: Tx, userId: string, target: Project, given: Role): Promise<boolean> {
  const [had] = await tx
    .select()
    .from(roleAssignment)
    .where(and(direct(userId), eq(roleAssignment.targetId, target.id), eq(roleAssignment.roleId, given.id)))
  if (had) return false
  const grant = {
    actorKind: 'user',
    actorId: userId,
    targetKind: 'project',
    targetId: target.id,
    roleId: given.id,
    inherited: false,
  } as const
  await insertGrant(tx, grant, { role: given, target })
  return true
}

async function takeOthers(tx: Tx, userId: string, kept: ReadonlySet<string>): Promise<boolean> {
  const others = (await tx.select().from(roleAssignment).where(direct(userId))).filter(
    ({ targetId, roleId }) => !kept.has(`${targetId} ${roleId}`),
  )
  for (const each of others) await removeGrant(tx, each)
  return others.length > 0
}
