import { eq, type Tx } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { floatingIp, gatewayOwner, type Network, router, type RouterRow } from '../model.ts'
import { findNetwork, subnetsOf } from '../networks/model.ts'
import { createPort } from '../ports/create.ts'
import { removePorts } from '../ports/delete.ts'
import type { FixedIpWish } from '../ports/fixed-ips.ts'
import { findPort } from '../ports/model.ts'
import { portsOfRouter } from './model.ts'
import { badRequest, requireDisjoint } from './rules.ts'

export interface GatewayWish {
  networkId: string
  snat?: boolean | undefined
  /** Undefined: any address of each version. */
  fixedIps?: readonly FixedIpWish[] | undefined
}

/** Gives the router a way out, another one, or (null) none. The caller holds the router's row. */
export async function setGateway(tx: Tx, at: At, found: RouterRow, wish: GatewayWish | null): Promise<void> {
  const before = found.gatewayPortId === null ? undefined : await findPort(tx, at.region, found.gatewayPortId)
  if (wish === null) {
    if (before) await clearGateway(tx, at, found)
    return
  }
  const external = await requireExternal(tx, at, wish.networkId)
  const snat = wish.snat ?? (before?.networkId === external.id ? found.snat : true)
  const same =
    before?.networkId === external.id &&
    (wish.fixedIps === undefined ||
      (wish.fixedIps.length === before.fixedIps.length &&
        wish.fixedIps.every((each) =>
          before.fixedIps.some(
            ({ address, subnetId }) =>
              (each.address === undefined || each.address === address) &&
              (each.subnetId === undefined || each.subnetId === subnetId),
          ),
        )))
  if (same) {
    await tx.update(router).set({ snat }).where(eq(router.id, found.id))
    return
  }
  if (before) {
    if (before.networkId !== external.id) await requireNoFloatingIps(tx, found.id)
    await dropGatewayPort(tx, at, found)
  }
  const subnets = await subnetsOf(tx, [external.id])
  const made = await createPort(tx, external, subnets, {
    projectId: '',
    deviceId: found.id,
    deviceOwner: gatewayOwner,
    fixedIps: wish.fixedIps?.length === 0 ? undefined : wish.fixedIps,
  })
  const { interfaces, subnets: inside } = await portsOfRouter(tx, found.id)
  const used = new Set(made.fixedIps.map(({ subnetId }) => subnetId))
  const internal = new Set(interfaces.flatMap(({ fixedIps }) => fixedIps.map(({ subnetId }) => subnetId)))
  requireDisjoint(
    subnets.filter(({ id }) => used.has(id)),
    [...inside.values()].filter(({ id }) => internal.has(id)),
  )
  await tx
    .update(router)
    .set({ gatewayNetworkId: external.id, gatewayPortId: made.id, snat })
    .where(eq(router.id, found.id))
}

async function requireExternal(tx: Tx, at: At, id: string): Promise<Network> {
  const found = (await findNetwork(tx, at.region, id)) ?? notFound('Network', id)
  if (!found.external) badRequest(`Network ${id} is not an external network.`)
  return found
}

/** Throws conflict while floating IPs go through it, or static routes. */
export async function clearGateway(tx: Tx, at: At, found: RouterRow): Promise<void> {
  await requireNoFloatingIps(tx, found.id)
  await dropGatewayPort(tx, at, found)
}

async function dropGatewayPort(tx: Tx, at: At, found: RouterRow): Promise<void> {
  const old = found.gatewayPortId === null ? undefined : await findPort(tx, at.region, found.gatewayPortId)
  await tx
    .update(router)
    .set({ gatewayNetworkId: null, gatewayPortId: null, snat: true })
    .where(eq(router.id, found.id))
  if (old) await removePorts(tx, at, [old])
}

async function requireNoFloatingIps(tx: Tx, routerId: string): Promise<void> {
  const [user] = await tx
    .select({ id: floatingIp.id })
    .from(floatingIp)
    .where(eq(floatingIp.routerId, routerId))
    .limit(1)
  if (user)
    conflict(
      `Gateway cannot be updated for router ${routerId}, since a gateway to external network is required by one or more floating IPs.`,
      { code: 'RouterExternalGatewayInUseByFloatingIp' },
    )
}
