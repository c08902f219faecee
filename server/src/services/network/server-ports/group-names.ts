import { type Db, inArray } from '#lib/db.ts'
import { securityGroup } from '../model.ts'

/** The names of these security groups, by id. */
export async function securityGroupNames(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .select({ id: securityGroup.id, name: securityGroup.name })
    .from(securityGroup)
    .where(inArray(securityGroup.id, [...ids]))
  return new Map(rows.map(({ id, name }) => [id, name]))
}
