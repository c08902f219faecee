import { and, eq, sql, type Tx } from '#lib/db.ts'
import { Fault, invalid, overQuota } from '#lib/fault.ts'
import type { Asker, At } from '../at.ts'
import { type Cidr, cidrOf, contains, firstFreePrefix, formatCidr, overlaps, parseCidr } from '../addresses.ts'
import { subnet, type SubnetPool } from '../model.ts'
import { getPool } from './model.ts'

interface PrefixWish {
  id: string
  version: 4 | 6
  /** A prefix of one's own choice inside the pool. */
  cidr: string | undefined
  prefixLength: number | undefined
  projectId: string
  asker: Asker
}

/** A prefix of the pool that no subnet has. Throws notFound, invalid, conflict, overQuota. */
export async function allocatePrefix(tx: Tx, at: At, wish: PrefixWish): Promise<Cidr> {
  const pool = await getPool(tx, at.region, wish.id, wish.asker)
  if (pool.ipVersion !== wish.version)
    invalid(`Cannot allocate IPv${wish.version} subnet from IPv${pool.ipVersion} subnet pool.`, { code: 'BadRequest' })
  // two that take from one pool do so one after the other
  await tx.rows(sql`select 1 from subnet_pool where id = ${pool.id} for no key update`)
  const rows = await tx
    .select({ cidr: subnet.cidr, projectId: subnet.projectId })
    .from(subnet)
    .where(eq(subnet.subnetPoolId, pool.id))
  const taken = rows.map(({ cidr }) => cidrOf(cidr))
  const chosen = wish.cidr === undefined ? findPrefix(pool, wish, taken) : checkPrefix(pool, wish.cidr, taken)
  const mine = rows.filter(({ projectId }) => projectId === wish.projectId).map(({ cidr }) => cidrOf(cidr))
  requirePoolQuota(pool, [...mine, chosen])
  return chosen
}

function findPrefix(pool: SubnetPool, wish: PrefixWish, taken: readonly Cidr[]): Cidr {
  const length = wish.prefixLength ?? pool.defaultPrefixLength
  requireLength(pool, length)
  for (const prefix of pool.prefixes) {
    const found = firstFreePrefix(cidrOf(prefix), length, taken)
    if (found) return found
  }
  throw new Fault(
    'conflict',
    `Failed to allocate subnet: Insufficient prefix space to allocate subnet size /${length}.`,
    {
      code: 'SubnetAllocationError',
    },
  )
}

function checkPrefix(pool: SubnetPool, text: string, taken: readonly Cidr[]): Cidr {
  const cidr = parseCidr(text)
  if (!cidr) return invalid(`'${text}' is not a valid CIDR.`, { code: 'InvalidInput' })
  requireLength(pool, cidr.prefix)
  const free =
    pool.prefixes.some((prefix) => contains(cidrOf(prefix), cidr)) && !taken.some((each) => overlaps(each, cidr))
  if (!free)
    throw new Fault(
      'conflict',
      `Failed to allocate subnet: Cannot allocate requested subnet ${formatCidr(cidr)} from the available set of prefixes.`,
      { code: 'SubnetAllocationError' },
    )
  return cidr
}

function requireLength(pool: SubnetPool, length: number): void {
  if (length < pool.minPrefixLength)
    invalid(
      `Unable to allocate subnet with prefix length ${length}, minimum allowed prefix is ${pool.minPrefixLength}.`,
      {
        code: 'MinPrefixSubnetAllocationError',
      },
    )
  if (length > pool.maxPrefixLength)
    invalid(
      `Unable to allocate subnet with prefix length ${length}, maximum allowed prefix is ${pool.maxPrefixLength}.`,
      {
        code: 'MaxPrefixSubnetAllocationError',
      },
    )
}

/** Neutron counts IPv4 addresses, and /64s of IPv6. */
function requirePoolQuota(pool: SubnetPool, all: readonly Cidr[]): void {
  if (pool.defaultQuota === null) return
  const unit = pool.ipVersion === 4 ? 32 : 64
  const used = all.reduce((sum, { prefix }) => sum + (prefix <= unit ? 1n << BigInt(unit - prefix) : 0n), 0n)
  if (used > BigInt(pool.defaultQuota))
    overQuota(`Per-project subnet pool prefix quota exceeded: ${used} of ${pool.defaultQuota}.`, {
      code: 'SubnetPoolQuotaExceeded',
    })
}

/** Whether the pool has given prefixes away. */
export async function isPoolUsed(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx
    .select({ id: subnet.id })
    .from(subnet)
    .where(and(eq(subnet.subnetPoolId, id)))
    .limit(1)
  return rows.length > 0
}
