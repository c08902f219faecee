// The providers of a region as trees, with what each has left: what candidates are looked for in.
import { type Db, sql } from '#lib/db.ts'
import { capacityOf } from '../model.ts'

export interface Stock {
  readonly id: string
  readonly parentId: string | null
  readonly rootId: string
  readonly traits: ReadonlySet<string>
  readonly aggregates: ReadonlySet<string>
  readonly inventories: ReadonlyMap<string, StockOf>
}
export interface StockOf {
  capacity: number
  used: number
  minUnit: number
  maxUnit: number
  stepSize: number
}

export interface Tree {
  readonly root: Stock
  readonly providers: readonly Stock[]
  /** Providers of other trees that give to all in their aggregates. */
  readonly sharing: readonly Stock[]
}

/** Gives what it has to every tree that shares an aggregate with it. */
const sharingTrait = 'MISC_SHARES_VIA_AGGREGATE'

interface Row {
  id: string
  parent_id: string | null
  root_id: string
  traits: string[]
  aggregates: string[]
  inventories: Record<
    string,
    { total: number; reserved: number; lo: number; hi: number; step: number; ratio: number; used: number }
  > | null
}

/** One query. Trees are in the order of their roots' names. */
export async function readTrees(db: Db, region: string): Promise<Tree[]> {
  const rows = await db.rows<Row>(sql`
    select p.id, p.parent_id, p.root_id, p.traits, p.aggregates, i.inventories
    from resource_provider p
    left join (
      select provider_id, jsonb_object_agg(resource_class, jsonb_build_object('total', total, 'reserved', reserved,
        'lo', min_unit, 'hi', max_unit, 'step', step_size, 'ratio', allocation_ratio, 'used', used)) as inventories
      from inventory group by provider_id
    ) i on i.provider_id = p.id
    where p.region = ${region} order by p.name`)
  const all = rows.map(stockOf)
  const sharing = all.filter(({ traits }) => traits.has(sharingTrait))
  const byRoot = Map.groupBy(all, ({ rootId }) => rootId)
  return all
    .filter(({ id, rootId }) => id === rootId)
    .map((root) => {
      const providers = byRoot.get(root.id)!
      const sharers = sharing.filter(
        ({ rootId, aggregates }) =>
          rootId !== root.id && providers.some((each) => !each.aggregates.isDisjointFrom(aggregates)),
      )
      return { root, providers, sharing: sharers }
    })
}

function stockOf(row: Row): Stock {
  return {
    id: row.id,
    parentId: row.parent_id,
    rootId: row.root_id,
    traits: new Set(row.traits),
    aggregates: new Set(row.aggregates),
    inventories: new Map(
      Object.entries(row.inventories ?? {}).map(([name, each]) => [
        name,
        {
          capacity: capacityOf({ total: each.total, reserved: each.reserved, allocationRatio: each.ratio }),
          used: each.used,
          minUnit: each.lo,
          maxUnit: each.hi,
          stepSize: each.step,
        },
      ]),
    ),
  }
}

export function hasRoom(stock: Stock, resourceClass: string, amount: number): boolean {
  const of = stock.inventories.get(resourceClass)
  return (
    of !== undefined &&
    of.used + amount <= of.capacity &&
    amount >= of.minUnit &&
    amount <= of.maxUnit &&
    amount % of.stepSize === 0
  )
}
