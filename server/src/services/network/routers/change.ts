import { eq, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { tellHosts } from '../hosts/changed.ts'
import { type HostRoute, router, type RouterRow } from '../model.ts'
import { clearGateway, type GatewayWish, setGateway } from './gateway.ts'
import { addInterface, type Interface, type InterfaceWish, removeInterface } from './interfaces.ts'
import { lockRouter, portsOfRouter } from './model.ts'
import { placeRouter, type RouterHost } from './place.ts'
import { readRoutes } from './rules.ts'

export interface RouterChange {
  name?: string
  description?: string
  adminUp?: boolean
  /** Null takes it away. */
  gateway?: GatewayWish | null
  routes?: readonly HostRoute[]
}

/** `hosts` are those that can carry a router now. */
export async function createRouter(
  tx: Tx,
  at: At,
  { gateway, projectId, zoneHints, ...spec }: Omit<RouterChange, 'routes'> & { projectId: string; zoneHints: string[] },
  hosts: readonly RouterHost[],
): Promise<RouterRow> {
  const [row] = await tx
    .insert(router)
    .values({ ...spec, projectId, zoneHints, id: newId(), region: at.region })
    .returning()
  if (gateway) {
    await setGateway(tx, at, row!, gateway)
    await placeRouter(tx, at, row!.id, hosts)
  }
  await emit(tx, { type: 'router.created', resourceId: row!.id, projectId, region: at.region })
  return lockRouter(tx, at.region, row!.id)
}

export async function updateRouter(
  tx: Tx,
  at: At,
  id: string,
  { gateway, routes, ...change }: RouterChange,
  hosts: readonly RouterHost[],
): Promise<RouterRow> {
  const before = await lockRouter(tx, at.region, id)
  if (gateway !== undefined) await setGateway(tx, at, before, gateway)
  await tx
    .update(router)
    .set({
      ...change,
      ...(routes !== undefined && { routes: readRoutes(routes, await portsOfRouter(tx, id)) }),
      revision: sql`${router.revision} + 1`,
      updatedAt: sql`now()`,
    })
    .where(eq(router.id, id))
  if (gateway !== undefined) await placeRouter(tx, at, id, hosts)
  tellHosts(tx, at, [before.host])
  await emit(tx, { type: 'router.updated', resourceId: id, projectId: before.projectId, region: at.region })
  return lockRouter(tx, at.region, id)
}

/** Adds to the static routes, or takes from them, without touching the others. */
export async function changeRoutes(
  tx: Tx,
  at: At,
  id: string,
  change: { add?: readonly HostRoute[]; remove?: readonly HostRoute[] },
): Promise<RouterRow> {
  const before = await lockRouter(tx, at.region, id)
  const ports = await portsOfRouter(tx, id)
  const same = (a: HostRoute, b: HostRoute) => a.destination === b.destination && a.nexthop === b.nexthop
  const added = readRoutes(change.add ?? [], ports).filter((each) => !before.routes.some((old) => same(old, each)))
  const kept = before.routes.filter((old) => !(change.remove ?? []).some((each) => same(old, each)))
  return updateRouter(tx, at, id, { routes: [...kept, ...added] }, [])
}

/** Throws conflict while it has interfaces. */
export async function deleteRouter(tx: Tx, at: At, id: string): Promise<void> {
  const found = await lockRouter(tx, at.region, id)
  const { interfaces } = await portsOfRouter(tx, id)
  if (interfaces.length > 0) conflict(`Router ${id} still has ports.`, { code: 'RouterInUse' })
  if (found.gatewayPortId !== null) await clearGateway(tx, at, found)
  await tx.delete(router).where(eq(router.id, id))
  tellHosts(tx, at, [found.host])
  await emit(tx, { type: 'router.deleted', resourceId: id, projectId: found.projectId, region: at.region })
}

export async function connectRouter(
  tx: Tx,
  at: At,
  id: string,
  wish: InterfaceWish,
  asker: Asker,
  hosts: readonly RouterHost[],
): Promise<Interface> {
  const made = await addInterface(tx, at, await lockRouter(tx, at.region, id), wish, asker)
  await touch(tx, id)
  await placeRouter(tx, at, id, hosts)
  return made
}

export async function disconnectRouter(
  tx: Tx,
  at: At,
  id: string,
  wish: InterfaceWish,
  hosts: readonly RouterHost[],
): Promise<Interface> {
  const before = await lockRouter(tx, at.region, id)
  const gone = await removeInterface(tx, at, before, wish)
  await touch(tx, id)
  await placeRouter(tx, at, id, hosts)
  tellHosts(tx, at, [before.host])
  return gone
}

async function touch(tx: Tx, id: string): Promise<void> {
  await tx
    .update(router)
    .set({ revision: sql`${router.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(router.id, id))
}
