// Keystone's model `strict_two_level`: a domain is the first level, its projects are the second, and there is no third. What
// a domain may have bounds each of its projects; -1 is no bound at all.
import { and, type Db, eq, gt, or, type Tx } from '#lib/db.ts'
import { forbidden } from '#lib/fault.ts'
import { project } from '../model.ts'
import { getProject } from '../projects/model.ts'
import { limit, registeredLimit, sameResource } from './model.ts'

interface Resource {
  serviceId: string
  regionId: string | null
  resourceName: string
}
interface Asked extends Resource {
  /** A project or a domain. */
  projectId: string
  resourceLimit: number
}
const exceeds = (amount: number, bound: number) => bound !== -1 && (amount === -1 || amount > bound)

/** Throws forbidden for a limit that is above that of its domain, or below that of one of the domain's projects. */
export async function requireTwoLevels(tx: Tx, asked: Asked): Promise<void> {
  const { id, isDomain, parentId, domainId, name } = await getProject(tx, asked.projectId)
  // the domain's row is the lock: requests about one domain are looked at one after the other
  await tx
    .select({ id: project.id })
    .from(project)
    .where(eq(project.id, domainId ?? id))
    .for('update')
  const resource = `${asked.resourceName} of ${isDomain ? 'domain' : 'project'} ${name}`
  if (domainId !== null) {
    if (parentId !== domainId) forbidden('With strict_two_level only the projects directly in a domain have limits.')
    const bound = await boundOf(tx, domainId, asked)
    if (bound !== undefined && exceeds(asked.resourceLimit, bound))
      forbidden(`The limit of ${resource} cannot be above ${bound}, which is what its domain may have.`)
    return
  }
  if (asked.resourceLimit === -1) return
  const [above] = await tx
    .select({ name: project.name, resourceLimit: limit.resourceLimit })
    .from(limit)
    .innerJoin(project, eq(project.id, limit.projectId))
    .where(
      and(
        eq(project.domainId, id),
        sameResource(limit, asked),
        or(gt(limit.resourceLimit, asked.resourceLimit), eq(limit.resourceLimit, -1)),
      ),
    )
    .limit(1)
  if (above)
    forbidden(`The limit of ${resource} cannot be below ${above.resourceLimit}, which its project ${above.name} has.`)
}

/** What a domain may have: its own limit, or the registered one. */
async function boundOf(db: Db, domainId: string, of: Resource): Promise<number | undefined> {
  const [own] = await db
    .select({ bound: limit.resourceLimit })
    .from(limit)
    .where(and(eq(limit.projectId, domainId), sameResource(limit, of)))
  if (own) return own.bound
  const [registered] = await db
    .select({ bound: registeredLimit.defaultLimit })
    .from(registeredLimit)
    .where(sameResource(registeredLimit, of))
  return registered?.bound
}
