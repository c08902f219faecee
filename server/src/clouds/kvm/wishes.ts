// What machines should be: rows that any process writes and the one that is connected to the host sends.
import { createHash } from 'node:crypto'
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { type Database, type Db, first, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, unavailable } from '#lib/fault.ts'
import { connected, generationAfter } from './model.ts'

export interface PlacedMachine {
  hostId: string
  host: string
  connected: boolean
  /** Null where there is no wish for the machine on that host. */
  generation: number | null
  specHash: string
  removed: boolean
  reportedGeneration: number
  readyGeneration: number
  status: MachineStatus | null
  errorTold: boolean
}

/** The machine's rows on all hosts, and one without a wish for the host asked about. */
async function findPlaces(db: Db, region: string, id: string, host: string | null): Promise<PlacedMachine[]> {
  const rows = await db.rows<Omit<PlacedMachine, 'generation'> & { generation: string | null }>(sql`
    select kvm_host.id as "hostId", kvm_host.name as host, ${connected} as connected, o.generation,
      coalesce(o.spec_hash, '') as "specHash", o.id is not null and o.spec is null as removed,
      coalesce(o.reported_generation, 0) as "reportedGeneration", coalesce(o.ready_generation, 0) as "readyGeneration",
      o.status, coalesce(o.error_told, false) as "errorTold"
    from kvm_host left join kvm_object o on o.host_id = kvm_host.id and o.kind = 'machine' and o.id = ${id}
    where kvm_host.region = ${region} and (kvm_host.name = ${host} or kvm_host.id in (
      select host_id from kvm_object where region = ${region} and kind = 'machine' and id = ${id}))`)
  return rows.map((row) => ({
    ...row,
    generation: row.generation === null ? null : Number(row.generation),
    reportedGeneration: Number(row.reportedGeneration),
    readyGeneration: Number(row.readyGeneration),
  }))
}

/** Where the machine is known to be. */
export async function findPlace(db: Db, region: string, id: string, host: string): Promise<PlacedMachine | undefined> {
  const places = await findPlaces(db, region, id, host)
  return places.find((place) => place.host === host && place.generation !== null)
}

/** See `ComputeDriver.ensureMachine`. */
export async function ensureMachine(
  db: Database,
  region: string,
  host: string,
  spec: MachineSpec,
): Promise<MachineStatus> {
  const places = await findPlaces(db, region, spec.id, host)
  const place = places.find((each) => each.host === host)
  if (!place) return unavailable(`There is no host ${host} in region ${region}.`)
  const elsewhere = places.find((each) => each.host !== host && each.generation !== null)
  if (elsewhere?.removed) return notYet(place, `waiting for host ${elsewhere.host} to let go of the machine`)
  if (elsewhere)
    return conflict(`The machine is on host ${elsewhere.host}; it must be removed there before ${host} can have it.`)
  if (place.removed) return notYet(place, 'being removed')

  const specHash = createHash('sha256').update(JSON.stringify(spec)).digest('base64url')
  if (place.generation === null || place.specHash !== specHash) {
    await db.transaction((tx) => putWish(tx, region, place.hostId, spec, specHash))
    return notYet(place, 'sent to the host')
  }
  if (place.reportedGeneration < place.generation) return notYet(place, 'sent to the host')
  const { status } = place
  if (!status) return notYet(place, 'sent to the host')
  if (status.error !== null && !place.errorTold) {
    await db.transaction((tx) => markErrorTold(tx, place.hostId, spec.id))
    throw new Fault('unavailable', status.error)
  }
  if (status.error !== null || isOver(place, status, spec)) {
    // The same wish as a new generation: the agent tries again what it had given up, or starts what ended by itself.
    await db.transaction((tx) => raiseWish(tx, place.hostId, spec.id, place.generation ?? 0))
    return notYet(place, 'trying again')
  }
  if (status.ready && place.connected) return status
  return notYet(place, status.doing || 'under way')
}

/** The wish was true, or as true as it gets, and the guest is not there any more: nothing will happen by itself. */
function isOver(place: PlacedMachine, status: MachineStatus, spec: MachineSpec): boolean {
  if (status.ready || spec.power === 'shutdown') return false
  return status.power === 'crashed' || (status.power === 'shutdown' && place.readyGeneration === place.generation)
}

function notYet(place: PlacedMachine, doing: string): MachineStatus {
  const { status, host } = place
  return {
    power: status?.power ?? 'absent',
    ready: false,
    restartSerial: status?.restartSerial ?? 0,
    doing: place.connected ? doing : `waiting for host ${host}, which is not connected`,
    error: null,
  }
}

async function putWish(tx: Tx, region: string, hostId: string, spec: MachineSpec, specHash: string): Promise<void> {
  const text = JSON.stringify(spec)
  await tx.rows(sql`
    insert into kvm_object (host_id, region, kind, id, generation, spec, spec_hash)
    values (${hostId}, ${region}, 'machine', ${spec.id}, ${generationAfter(sql`0`)}, ${text}::text::jsonb, ${specHash})
    on conflict (host_id, kind, id) do update set generation = ${generationAfter(sql`kvm_object.generation`)},
      spec = excluded.spec, spec_hash = excluded.spec_hash, error_told = false
    where kvm_object.spec is not null and kvm_object.spec_hash <> excluded.spec_hash`)
  await tx.publish('kvm', `wish ${hostId}`)
}

async function markErrorTold(tx: Tx, hostId: string, id: string): Promise<void> {
  await tx.rows(
    sql`update kvm_object set error_told = true where host_id = ${hostId} and kind = 'machine' and id = ${id}`,
  )
}

async function raiseWish(tx: Tx, hostId: string, id: string, from: number): Promise<void> {
  await tx.rows(sql`
    update kvm_object set generation = ${generationAfter(sql`generation`)}, error_told = false
    where host_id = ${hostId} and kind = 'machine' and id = ${id} and generation = ${from}`)
  await tx.publish('kvm', `wish ${hostId}`)
}

/** See `ComputeDriver.ensureNoMachine`: gone when no host has a row of it; the report that it is absent removes the row. */
export async function ensureNoMachine(db: Database, region: string, id: string): Promise<'gone' | 'working'> {
  const places = await findPlaces(db, region, id, null)
  if (places.length === 0) return 'gone'
  const there = places.filter((place) => !place.removed)
  if (there.length > 0)
    await db.transaction(async (tx) => {
      for (const { hostId } of there) {
        await tx.rows(sql`
          update kvm_object set spec = null, spec_hash = '', error_told = false,
            generation = ${generationAfter(sql`generation`)}
          where host_id = ${hostId} and kind = 'machine' and id = ${id} and spec is not null`)
        await tx.publish('kvm', `wish ${hostId}`)
      }
    })
  return 'working'
}

/** See `ComputeDriver.listMachines`. A generation is the moment of the wish, or a little later. */
export async function listWished(db: Db, region: string, olderThanMs: number): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(sql`
    select distinct id from kvm_object where region = ${region} and kind = 'machine' and spec is not null
      and generation <= extract(epoch from clock_timestamp()) * 1000 - ${olderThanMs}`)
  return rows.map(({ id }) => id)
}

export interface WishRow {
  kind: 'machine' | 'network'
  id: string
  generation: number
  spec: unknown
}

// Commits do not come in the order of their generations, so what is a little older than the newest sent is looked at again.
const overlapMs = 60_000

/** The wishes of a host that may be newer than generation `after`; all of them for 0. */
export async function readWishes(db: Db, hostId: string, after: number): Promise<WishRow[]> {
  const rows = await db.rows<Omit<WishRow, 'generation'> & { generation: string }>(sql`
    select kind, id, generation, spec from kvm_object
    where host_id = ${hostId} and generation > ${after === 0 ? 0 : after - overlapMs}`)
  return rows.map((row) => ({ ...row, generation: Number(row.generation) }))
}

/** The generation and hash of the host's network document, if there is one yet. */
export async function findNetworkHash(db: Db, hostId: string): Promise<string | undefined> {
  const row = first(
    await db.rows<{ hash: string }>(
      sql`select spec_hash as hash from kvm_object where host_id = ${hostId} and kind = 'network' and id = 'host'`,
    ),
  )
  return row?.hash
}
