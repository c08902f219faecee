import { and, eq, isDuplicate, ne, sql, type Tx } from '#lib/db.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { type Cidr, cidrOf, contains, overlaps } from '../addresses.ts'
import { type AddressScope, subnet, subnetPool, type SubnetPool } from '../model.ts'
import { grantToAll, removeGrants } from '../rbac/model.ts'
import { isPoolUsed } from './allocate.ts'
import { getScope } from './model.ts'
import { formatPrefixes, readLengths, readPrefixes } from './rules.ts'

export interface PoolSpec {
  name?: string | undefined
  description?: string | undefined
  prefixes?: readonly string[] | undefined
  min?: number | undefined
  max?: number | undefined
  default?: number | undefined
  quota?: number | null | undefined
  shared?: boolean | undefined
  isDefault?: boolean | undefined
  scopeId?: string | null | undefined
}

/** Throws invalid, conflict, and notFound for an address scope that the asker may not know of. */
export async function createPool(
  tx: Tx,
  at: At,
  spec: PoolSpec & { projectId: string },
  asker: Asker,
): Promise<SubnetPool> {
  const { version, cidrs } = readPrefixes(spec.prefixes ?? [])
  const lengths = readLengths(version, definedOf(spec))
  const id = newId()
  if (spec.scopeId != null) await requireScope(tx, at, { id, version, cidrs, scopeId: spec.scopeId }, asker)
  const [row] = await tx
    .insert(subnetPool)
    .values({
      id,
      region: at.region,
      projectId: spec.projectId,
      name: spec.name ?? '',
      description: spec.description ?? '',
      ipVersion: version,
      prefixes: formatPrefixes(cidrs),
      minPrefixLength: lengths.min,
      maxPrefixLength: lengths.max,
      defaultPrefixLength: lengths.default,
      defaultQuota: spec.quota ?? null,
      shared: spec.shared ?? false,
      isDefault: spec.isDefault ?? false,
      addressScopeId: spec.scopeId ?? null,
    })
    .returning()
    .catch(asDefaultTaken)
  if (row!.shared) await grantToAll(tx, row!, 'access_as_shared', 'subnetpool')
  return row!
}

/** Prefixes may be added but not taken away here. Throws as createPool does. */
export async function updatePool(tx: Tx, at: At, id: string, spec: PoolSpec, asker: Asker): Promise<SubnetPool> {
  const [before] = await tx
    .select()
    .from(subnetPool)
    .where(and(eq(subnetPool.region, at.region), eq(subnetPool.id, id)))
    .for('update')
  if (!before) return notFound('Subnet Pool', id)
  const set: Partial<SubnetPool> = {}
  const version = before.ipVersion === 4 ? 4 : 6
  let cidrs = before.prefixes.map(cidrOf)
  if (spec.prefixes !== undefined) {
    const read = readPrefixes(spec.prefixes)
    if (read.version !== version)
      invalid('Cannot mix IPv4 and IPv6 prefixes in a subnet pool.', { code: 'PrefixVersionMismatch' })
    if (!cidrs.every((old) => read.cidrs.some((each) => contains(each, old))))
      invalid('Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.', {
        code: 'IllegalSubnetPoolPrefixUpdate',
      })
    cidrs = read.cidrs
    set.prefixes = formatPrefixes(cidrs)
  }
  const lengths = readLengths(version, {
    min: spec.min ?? before.minPrefixLength,
    max: spec.max ?? before.maxPrefixLength,
    default: spec.default ?? before.defaultPrefixLength,
  })
  const scopeId = spec.scopeId === undefined ? before.addressScopeId : spec.scopeId
  if (scopeId !== before.addressScopeId || set.prefixes !== undefined) {
    if (scopeId !== before.addressScopeId && before.projectId !== asker.projectId && !asker.isAdmin)
      invalid('Only the owner of a subnet pool may change its address scope.', { code: 'IllegalSubnetPoolUpdate' })
    if (scopeId !== null) {
      const scope = await requireScope(tx, at, { id, version, cidrs, scopeId }, asker)
      if (!asker.isAdmin && scope.projectId !== asker.projectId)
        invalid(`Only the owner of address scope ${scopeId} may change the prefixes in it.`, {
          code: 'IllegalSubnetPoolUpdate',
        })
    }
  }
  const [after] = await tx
    .update(subnetPool)
    .set({
      ...set,
      minPrefixLength: lengths.min,
      maxPrefixLength: lengths.max,
      defaultPrefixLength: lengths.default,
      addressScopeId: scopeId,
      ...(spec.name !== undefined && { name: spec.name }),
      ...(spec.description !== undefined && { description: spec.description }),
      ...(spec.quota !== undefined && { defaultQuota: spec.quota }),
      ...(spec.shared !== undefined && { shared: spec.shared }),
      ...(spec.isDefault !== undefined && { isDefault: spec.isDefault }),
      revision: sql`${subnetPool.revision} + 1`,
      updatedAt: sql`now()`,
    })
    .where(eq(subnetPool.id, id))
    .returning()
    .catch(asDefaultTaken)
  return after!
}

/** Takes prefixes out, as far as no subnet lies in them. */
export async function removePrefixes(tx: Tx, at: At, id: string, texts: readonly string[]): Promise<SubnetPool> {
  const [before] = await tx
    .select()
    .from(subnetPool)
    .where(and(eq(subnetPool.region, at.region), eq(subnetPool.id, id)))
    .for('update')
  if (!before) return notFound('Subnet Pool', id)
  const { cidrs } = readPrefixes(texts)
  const old = before.prefixes.map(cidrOf)
  const used = await tx.select({ cidr: subnet.cidr }).from(subnet).where(eq(subnet.subnetPoolId, id))
  if (used.some(({ cidr }) => cidrs.some((gone) => overlaps(gone, cidrOf(cidr)))))
    invalid('One or more subnets were allocated from the prefixes to be removed.', {
      code: 'IllegalSubnetPoolPrefixUpdate',
    })
  const left = old.flatMap((each) => subtract(each, cidrs))
  if (left.length === 0) invalid('A subnet pool needs at least one prefix.', { code: 'IllegalSubnetPoolPrefixUpdate' })
  const [after] = await tx
    .update(subnetPool)
    .set({
      prefixes: formatPrefixes(left),
      revision: sql`${subnetPool.revision} + 1`,
      updatedAt: sql`now()`,
    })
    .where(eq(subnetPool.id, id))
    .returning()
  return after!
}

/** Throws invalid while subnets come from it. */
export async function deletePool(tx: Tx, at: At, id: string): Promise<void> {
  const [found] = await tx
    .select()
    .from(subnetPool)
    .where(and(eq(subnetPool.region, at.region), eq(subnetPool.id, id)))
    .for('update')
  if (!found) return notFound('Subnet Pool', id)
  if (await isPoolUsed(tx, id))
    invalid('Unable to delete subnet pool: Subnet pool has existing allocations.', { code: 'SubnetPoolDeleteError' })
  await removeGrants(tx, id)
  await tx.delete(subnetPool).where(eq(subnetPool.id, id))
}

function subtract(from: Cidr, gone: readonly Cidr[]): Cidr[] {
  const hit = gone.find((each) => overlaps(each, from))
  if (!hit) return [from]
  if (contains(hit, from)) return []
  const middle = from.first + (from.last - from.first + 1n) / 2n
  const half = { version: from.version, prefix: from.prefix + 1 }
  return [
    ...subtract({ ...half, value: from.first, first: from.first, last: middle - 1n }, gone),
    ...subtract({ ...half, value: middle, first: middle, last: from.last }, gone),
  ]
}

async function requireScope(
  tx: Tx,
  at: At,
  pool: { id: string; version: 4 | 6; cidrs: readonly Cidr[]; scopeId: string },
  asker: Asker,
): Promise<AddressScope> {
  const scope = await getScope(tx, at.region, pool.scopeId, asker)
  if (scope.ipVersion !== pool.version)
    invalid(`Address scope ${scope.id} is of IPv${scope.ipVersion}, and the subnet pool of IPv${pool.version}.`, {
      code: 'IllegalSubnetPoolIpVersionAssociation',
    })
  await tx.rows(sql`select 1 from address_scope where id = ${scope.id} for no key update`)
  const others = await tx
    .select({ id: subnetPool.id, prefixes: subnetPool.prefixes })
    .from(subnetPool)
    .where(and(eq(subnetPool.addressScopeId, scope.id), ne(subnetPool.id, pool.id)))
  for (const other of others)
    if (other.prefixes.some((prefix) => pool.cidrs.some((each) => overlaps(each, cidrOf(prefix)))))
      conflict(
        `Failed to associate address scope: subnet pools must have disjoint prefixes, and ${other.id} overlaps.`,
        {
          code: 'AddressScopePrefixConflict',
        },
      )
  return scope
}

function definedOf({ min, max, default: byDefault }: PoolSpec) {
  return {
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(byDefault !== undefined && { default: byDefault }),
  }
}

function asDefaultTaken(error: unknown): never {
  if (isDuplicate(error, 'subnet_pool_default'))
    invalid(
      'A default subnet pool for this IP family has already been set. Only one default may exist per IP family.',
      {
        code: 'InvalidInput',
      },
    )
  throw error
}
