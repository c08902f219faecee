// Gives addresses to ports. Every address in use is a row with the key (subnet, address): a free one is found by trying,
// so requests do not wait for each other, and the same one is never given twice.
import { randomInt } from 'node:crypto'
import { sql, type Tx } from '#lib/db.ts'
import { conflict } from '#lib/fault.ts'
import { formatAddress, type IpVersion, type Range, sizeOf, valueOf } from '../addresses.ts'
import type { FixedIp, Subnet } from '../model.ts'

export interface Place {
  networkId: string
  portId: string
  /** Its place among the port's addresses. */
  n: number
}

/** Exactly this address. Throws conflict when somebody has it. */
export async function takeAddress(tx: Tx, subnetId: string, address: string, at: Place): Promise<FixedIp> {
  const taken = await insertFirstFree(tx, [{ subnetId, address }], at)
  return (
    taken ??
    conflict(`IP address ${address} is already allocated in subnet ${subnetId}.`, {
      code: 'IpAddressAlreadyAllocated',
    })
  )
}

const triesPerWindow = 6

/**
 * Any free address of one of the subnets, the first ones preferred. Throws conflict when all are in use. A few random
 * tries in growing windows nearly always succeed, in one statement; only where the pools are nearly full is the first
 * gap looked for in the index.
 */
export async function takeAnyAddress(tx: Tx, subnets: readonly Subnet[], at: Place): Promise<FixedIp> {
  const candidates: FixedIp[] = []
  for (const subnet of subnets) {
    const pools = poolsOf(subnet)
    const size = sizeOf(pools)
    if (size === 0n) continue
    for (const window of [64, 4096, 1 << 20]) {
      const width = size < BigInt(window) ? Number(size) : window
      const tries = Math.min(triesPerWindow, width)
      for (let i = 0; i < tries; i++)
        candidates.push({ subnetId: subnet.id, address: nth(subnet, pools, BigInt(randomInt(width))) })
      if (BigInt(width) === size) break
    }
  }
  const taken = await insertFirstFree(tx, candidates, at)
  if (taken) return taken
  for (const subnet of subnets) {
    for (;;) {
      const gap = await firstGap(tx, subnet)
      if (gap === undefined) break
      const found = await insertFirstFree(tx, [{ subnetId: subnet.id, address: gap }], at)
      if (found) return found
    }
  }
  return conflict(
    `No more IP addresses available on network ${at.networkId}${subnets.length === 1 ? `, subnet ${subnets[0]!.id}` : ''}.`,
    { code: 'IpAddressGenerationFailure' },
  )
}

export function poolsOf({ pools }: Subnet): Range[] {
  return pools.map(({ start, end }) => ({ start: valueOf(start), end: valueOf(end) }))
}

function nth(subnet: Subnet, pools: readonly Range[], n: bigint): string {
  let left = n
  for (const { start, end } of pools) {
    const size = end - start + 1n
    if (left < size) return formatAddress(subnet.ipVersion as IpVersion, start + left)
    left -= size
  }
  throw new Error(`subnet ${subnet.id} has no address number ${n}`)
}

async function insertFirstFree(tx: Tx, candidates: readonly FixedIp[], at: Place): Promise<FixedIp | undefined> {
  if (candidates.length === 0) return undefined
  const subnets = `{${candidates.map(({ subnetId }) => subnetId).join()}}`
  const addresses = `{${candidates.map(({ address }) => address).join()}}`
  const rows = await tx.rows<{ subnet_id: string; address: string }>(sql`
    insert into ip_allocation (subnet_id, address, network_id, port_id, n)
    select c.subnet_id, c.address, ${at.networkId}::uuid, ${at.portId}::uuid, ${at.n}
    from unnest(${subnets}::uuid[], ${addresses}::inet[]) with ordinality c (subnet_id, address, place)
    where not exists (
      select 1 from ip_allocation a where a.subnet_id = c.subnet_id and a.address = c.address)
    order by c.place limit 1
    on conflict do nothing
    returning subnet_id, host(address) as address`)
  return rows[0] && { subnetId: rows[0].subnet_id, address: rows[0].address }
}

/** The lowest free address of the subnet's pools. */
async function firstGap(tx: Tx, subnet: Subnet): Promise<string | undefined> {
  for (const { start, end } of subnet.pools) {
    const [found] = await tx.rows<{ address: string }>(sql`
      select host(c.address) as address from (
        select ${start}::inet as address
        union all
        select a.address + 1 from ip_allocation a
        where a.subnet_id = ${subnet.id} and a.address >= ${start}::inet and a.address < ${end}::inet
      ) c
      where not exists (
        select 1 from ip_allocation b where b.subnet_id = ${subnet.id} and b.address = c.address)
      order by c.address limit 1`)
    if (found) return found.address
  }
  return undefined
}
