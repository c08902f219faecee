// The life of a new server: accepted, placed, built.
import { Type } from 'typebox'
import type { Db, Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, Fault } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import { again, done, goTo, next, type Outcome, type Run, type StartOptions, startTask, task } from '#lib/task.ts'
import type { World } from '#lib/world.ts'
import { allocateServerPorts, bindPorts, type NicAsker, type ServerPortsWish } from '#network'
import { place as claimPlace, release } from '#placement'
import { zoneInSql } from '../aggregates/model.ts'
import { isAgainstPolicy } from '../server-groups/model.ts'
import { serverHostname } from './hostname.ts'
import { machineSpec } from './machine-spec.ts'
import {
  changeServer,
  eventOf,
  failServer,
  findServer,
  insertServers,
  type NewServer,
  type Server,
  type ServerFlavor,
} from './model.ts'
import { networkDataOf, nicsOf } from './ports.ts'
import { placementRequest } from './placing.ts'

/** What all servers of one request share. */
export type ServersWish = Omit<
  NewServer,
  'id' | 'n' | 'state' | 'hostname' | 'reservationId' | 'launchIndex' | 'flavorId' | 'vcpus' | 'ramMb' | 'flavor'
> & {
  flavor: ServerFlavor
  hostname: string | null
  minCount: number
  maxCount: number
  networks: ServerPortsWish['requested']
  securityGroups: readonly string[]
  actor: NicAsker
}

const Input = Type.Object({ serverId: Type.String() })
type Creating = Run<{ serverId: string }>

/** Once this commits, the servers will be made or will say why not. Throws overQuota, invalid, conflict, forbidden. */
export async function createServers(
  tx: Tx,
  world: World,
  wish: ServersWish,
  origin: Omit<StartOptions, 'key'>,
): Promise<Server[]> {
  const { minCount: _, maxCount, networks, securityGroups, actor, hostname, ...shared } = wish
  const { region, projectId, flavor } = wish
  if (maxCount > 1 && networks !== 'auto' && networks !== 'none' && networks.some((nic) => nic.portId ?? nic.fixedIp))
    conflict('Several servers cannot share a port or a fixed address: ask for one server, or for networks only.')
  const count = await affordable(tx, wish)
  const reservationId = `r-${newId().slice(-8)}`
  const rows = Array.from({ length: count }, (_, i) => {
    const id = newId()
    const name = maxCount > 1 ? `${wish.name}-${i + 1}` : wish.name
    const host = maxCount > 1 && hostname !== null ? `${hostname}-${i + 1}` : hostname
    return {
      ...shared,
      id,
      name,
      hostname: host ?? serverHostname(name, id),
      state: 'building' as const,
      reservationId,
      launchIndex: i,
      flavorId: flavor.id,
      vcpus: flavor.vcpus,
      ramMb: flavor.ramMb,
    }
  })
  const made = await insertServers(tx, rows)
  for (const server of made) {
    await allocateServerPorts(
      tx,
      { world, region },
      {
        projectId,
        serverId: server.id,
        hostname: server.hostname,
        requested: networks,
        securityGroups,
        availabilityZone: server.requestedZone ?? 'nova',
        actor,
      },
    )
    await startTask(tx, serverCreate, { serverId: server.id }, { ...origin, key: `server:${server.id}` })
    await emit(tx, eventOf(server, 'server.create.start'))
  }
  return made
}

/** As many as were wished, or fewer if the quota leaves no more, but never under the least number. Throws overQuota. */
async function affordable(tx: Tx, { region, projectId, flavor, minCount, maxCount }: ServersWish): Promise<number> {
  const scope = { service: 'compute', region, projectId }
  const need = (n: number) => ({ instances: n, cores: n * flavor.vcpus, ram: n * flavor.ramMb })
  try {
    await requireQuota(tx, scope, need(maxCount))
    return maxCount
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'overQuota') throw error
    const over = error.details as { limit: number; used: number; requested: number }[]
    const fits = Math.min(...over.map((o) => Math.floor((o.limit - o.used) / (o.requested / maxCount))))
    if (fits < minCount) throw error
    return fits
  }
}

export const serverCreate = task({
  kind: 'server.create',
  input: Input,
  deadline: '1h',
  steps: { place, build },
  failed: (tx, { serverId }, fault) =>
    failServer(
      tx,
      serverId,
      fault.kind === 'noCapacity' ? `No valid host was found. ${fault.message}` : fault.message,
      'server.create.error',
    ),
})

async function place({ db, world, region, input }: Creating): Promise<Outcome> {
  const server = await findServer(db, region, input.serverId)
  if (server?.state !== 'building') return done()
  if (server.host !== null) return next()
  const { host } = await claimPlace(world, await placementRequest(db, server))
  return next(async (tx) => {
    // two servers of a group may have been placed at the same moment: the second to get here finds another place
    if (server.groupId !== null && (await isAgainstPolicy(tx, server.groupId, server.id, host)))
      return release(tx, server.id)
    await changeServer(tx, server.id, ['building'], { host, availabilityZone: zoneInSql(region, host) })
    return bindPorts(tx, { world, region }, server.id, host)
  })
}

async function build({ db, drivers, region, input, signal }: Creating): Promise<Outcome> {
  const server = await findServer(db, region, input.serverId)
  if (server?.state !== 'building') return done()
  if (server.host === null) return goTo('place')
  const status = await drivers.compute.ensureMachine(server.host, await specOf(db, server), signal)
  if (status.error !== null) throw new Fault('unavailable', status.error)
  if (!status.ready) return again(10)
  // ports need no word from here: a machine starts behind its wired ports, which the host has reported
  const active = { state: 'active' as const, launchedAt: new Date(), adminPassword: null, fault: null }
  return done((tx) => changeServer(tx, server.id, ['building'], active, 'server.create.end'))
}

/** What the server's host should run for it, from its rows. */
export async function specOf(db: Db, server: Server) {
  const nics = (await nicsOf(db, [server.id])).get(server.id) ?? []
  const groups = new Set(nics.flatMap((nic) => nic.securityGroups))
  return machineSpec(server, nics, networkDataOf(nics), [...groups])
}
