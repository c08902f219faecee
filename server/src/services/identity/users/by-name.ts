import { and, type Db, eq } from '#lib/db.ts'
import { project, user } from '../model.ts'

/** The id of the user of that name in the domain that is named by id or by name; undefined when there is none. */
export async function findUserIdByName(
  db: Db,
  named: { userName: string; domainId: string | undefined; domainName: string | undefined },
): Promise<string | undefined> {
  const { userName, domainId, domainName } = named
  if (domainId === undefined && domainName === undefined) return undefined
  const inDomain = domainId === undefined ? eq(project.name, domainName ?? '') : eq(project.id, domainId)
  const [found] = await db
    .select({ id: user.id })
    .from(user)
    .innerJoin(project, and(eq(project.id, user.domainId), eq(project.isDomain, true)))
    .where(and(eq(user.name, userName), inDomain, eq(user.gone, false), eq(user.federated, false)))
  return found?.id
}
