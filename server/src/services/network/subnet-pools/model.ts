import { and, type Db, eq, or, type SQL } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { Asker } from '../at.ts'
import { addressScope, type AddressScope, subnetPool, type SubnetPool } from '../model.ts'
import { granted } from '../rbac/model.ts'

export function poolsFor(projectId: string): SQL {
  return or(eq(subnetPool.projectId, projectId), eq(subnetPool.shared, true), granted(subnetPool.id, projectId))!
}

/** Throws notFound. */
export async function getPool(db: Db, region: string, id: string, asker: Asker): Promise<SubnetPool> {
  const [found] = await db
    .select()
    .from(subnetPool)
    .where(
      and(eq(subnetPool.region, region), eq(subnetPool.id, id), asker.isAdmin ? undefined : poolsFor(asker.projectId)),
    )
  return found ?? notFound('Subnet Pool', id)
}

/** The pool that `use_default_subnetpool` means. Throws notFound. */
export async function getDefaultPool(db: Db, region: string, version: 4 | 6): Promise<SubnetPool> {
  const [found] = await db
    .select()
    .from(subnetPool)
    .where(and(eq(subnetPool.region, region), eq(subnetPool.isDefault, true), eq(subnetPool.ipVersion, version)))
  return found ?? notFound('Default Subnet Pool', `of IPv${version}`)
}

export function scopesFor(projectId: string): SQL {
  return or(eq(addressScope.projectId, projectId), eq(addressScope.shared, true), granted(addressScope.id, projectId))!
}

/** Throws notFound. */
export async function getScope(db: Db, region: string, id: string, asker: Asker): Promise<AddressScope> {
  const [found] = await db
    .select()
    .from(addressScope)
    .where(
      and(
        eq(addressScope.region, region),
        eq(addressScope.id, id),
        asker.isAdmin ? undefined : scopesFor(asker.projectId),
      ),
    )
  return found ?? notFound('Address Scope', id)
}
