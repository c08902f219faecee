// Claims are rows. A claim is written only where it fits at that moment, so any number of processes may claim at once.
import { type Db, sql, type Tx } from '#lib/db.ts'
import { lockProviders, uuids } from '../model.ts'
import type { Whereabouts } from './request.ts'

export interface Wish {
  consumerId: string
  providerId: string
  projectId: string
  userId: string
  resources: Readonly<Record<string, number>>
}

/**
 * Claims as many of the wishes as fit, in their order, in one statement; returns the consumers that got what they wished.
 * A consumer that holds a claim already gets nothing more, whoever made that claim.
 */
export async function claim(tx: Tx, region: string, wishes: readonly Wish[]): Promise<Set<string>> {
  const rows = wishes.map((wish, n) => ({
    n,
    consumer: wish.consumerId,
    provider: wish.providerId,
    project: wish.projectId,
    owner: wish.userId,
    resources: wish.resources,
  }))
  // sent together, run one after the other: the second sees all that was committed before the first got its locks
  const [, made] = await Promise.all([
    lockProviders(tx, new Set(wishes.map((wish) => wish.providerId))),
    tx.rows<{ id: string }>(sql`
      with wish as materialized (
        select w.*, r.key as class, r.value::bigint as amount
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
          as w (n integer, consumer uuid, provider uuid, project text, owner text, resources jsonb)
        cross join jsonb_each_text(w.resources) r
      ), measured as (
        select w.n, w.consumer, w.project, w.owner,
          i.used + sum(w.amount) over (partition by w.provider, w.class order by w.n)
            <= floor((i.total - i.reserved) * i.allocation_ratio) as fits
        from wish w
        join resource_provider p on p.id = w.provider and p.enabled
        left join inventory i on i.provider_id = w.provider and i.resource_class = w.class
      ), made as (
        insert into consumer (id, region, project_id, user_id, type)
        select consumer, ${region}, project, owner, 'INSTANCE' from measured
        group by consumer, project, owner having bool_and(coalesce(fits, false)) order by consumer
        on conflict (id) do nothing
        returning id
      ), won as (
        select w.* from wish w join made on made.id = w.consumer
      ), written as (
        insert into allocation (consumer_id, provider_id, resource_class, used)
        select consumer, provider, class, amount from won
      ), taken as (
        update inventory i set used = i.used + t.amount
        from (select provider, class, sum(amount) as amount from won group by provider, class) t
        where i.provider_id = t.provider and i.resource_class = t.class
      ), bumped as (
        update resource_provider set generation = generation + 1, updated_at = now()
        where id in (select provider from won)
      )
      select id from made`),
  ])
  return new Set(made.map((row) => row.id))
}

/** Gives back all that these consumers hold; those that hold nothing are no error. */
export async function release(tx: Tx, ...consumerIds: string[]): Promise<void> {
  if (consumerIds.length === 0) return
  const consumers = uuids(consumerIds)
  await Promise.all([
    tx.rows(sql`
      select id from resource_provider
      where id in (select provider_id from allocation where consumer_id = any(${consumers}::uuid[]))
      order by id for update`),
    tx.rows(sql`
      with given as (
        delete from allocation where consumer_id = any(${consumers}::uuid[]) returning provider_id, resource_class, used
      ), returned as (
        update inventory i set used = i.used - g.used
        from (select provider_id, resource_class, sum(used) as used from given group by 1, 2) g
        where i.provider_id = g.provider_id and i.resource_class = g.resource_class
      )
      update resource_provider set generation = generation + 1, updated_at = now()
      where id in (select provider_id from given)`),
    tx.rows(sql`delete from consumer where id = any(${consumers}::uuid[])`),
  ])
}

/** Who has held something of a host for at least that long, as far as `claim` made it: the ids. */
export async function claimants(db: Db, region: string, olderThanMs: number): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(sql`
    select c.id from consumer c
    where c.region = ${region} and c.type = 'INSTANCE' and c.created_at <= now() - ${olderThanMs} * interval '1 millisecond'
      and exists (select 1 from allocation a join resource_provider p on p.id = a.provider_id and p.is_host
                  where a.consumer_id = c.id)`)
  return rows.map(({ id }) => id)
}

/** Where consumers are that hold a claim on a host. */
export async function whereabouts(db: Db, consumerIds: Iterable<string>): Promise<Whereabouts> {
  const rows = await db.rows<{ consumer_id: string; provider_id: string }>(sql`
    select distinct a.consumer_id, a.provider_id from allocation a
    join resource_provider p on p.id = a.provider_id and p.is_host
    where a.consumer_id = any(${uuids(consumerIds)}::uuid[])`)
  return new Map(rows.map((row) => [row.consumer_id, row.provider_id]))
}

/** What each of these consumers holds: consumer → provider, its name, and amounts by resource class. */
export async function allocationsOf(
  db: Db,
  consumerIds: readonly string[],
): Promise<Map<string, { providerId: string; host: string; resources: Record<string, number> }[]>> {
  const rows = await db.rows<{
    consumer_id: string
    provider_id: string
    name: string
    resources: Record<string, number>
  }>(sql`
    select a.consumer_id, a.provider_id, p.name, jsonb_object_agg(a.resource_class, a.used) as resources
    from allocation a join resource_provider p on p.id = a.provider_id
    where a.consumer_id = any(${uuids(consumerIds)}::uuid[])
    group by 1, 2, 3`)
  const found = new Map<string, { providerId: string; host: string; resources: Record<string, number> }[]>()
  for (const { consumer_id: id, provider_id: providerId, name: host, resources } of rows)
    found.set(id, [...(found.get(id) ?? []), { providerId, host, resources }])
  return found
}
