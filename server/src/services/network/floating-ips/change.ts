import { and, eq, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { floatingIp, type FloatingIp, floatingOwner } from '../model.ts'
import { findNetwork, subnetsOf } from '../networks/model.ts'
import { createPort } from '../ports/create.ts'
import { removePorts } from '../ports/delete.ts'
import { findPort } from '../ports/model.ts'
import { associate } from './associate.ts'

export interface NewFloatingIp {
  projectId: string
  networkId: string
  subnetId: string | undefined
  address: string | undefined
  target: { portId: string; fixedAddress: string | undefined } | undefined
  description: string
  dnsName: string
  dnsDomain: string
}

/** Takes an address of an external network. Throws invalid, conflict, notFound. */
export async function createFloatingIp(tx: Tx, at: At, spec: NewFloatingIp, asker: Asker): Promise<FloatingIp> {
  const network = (await findNetwork(tx, at.region, spec.networkId)) ?? notFound('Network', spec.networkId)
  const bad = (message: string) => invalid(`Bad floatingip request: ${message}`, { code: 'BadRequest' })
  if (!network.external) bad(`Network ${network.id} is not a valid external network.`)
  const subnets = (await subnetsOf(tx, [network.id])).filter(({ ipVersion }) => ipVersion === 4)
  if (subnets.length === 0) bad(`Network ${network.id} does not contain any IPv4 subnet.`)
  const id = newId()
  const wish = { subnetId: spec.subnetId, address: spec.address }
  const port = await createPort(tx, network, subnets, {
    projectId: '',
    deviceId: id,
    deviceOwner: floatingOwner,
    fixedIps: wish.subnetId === undefined && wish.address === undefined ? undefined : [wish],
  })
  const [row] = await tx
    .insert(floatingIp)
    .values({
      id,
      region: at.region,
      projectId: spec.projectId,
      description: spec.description,
      networkId: network.id,
      floatingPortId: port.id,
      address: port.fixedIps[0]!.address,
      dnsName: spec.dnsName,
      dnsDomain: spec.dnsDomain,
    })
    .returning()
  await emit(tx, { type: 'floatingip.created', resourceId: id, projectId: spec.projectId, region: at.region })
  return spec.target ? associate(tx, at, row!, spec.target, asker) : row!
}

async function lockFloatingIp(tx: Tx, at: At, id: string): Promise<FloatingIp> {
  const [found] = await tx
    .select()
    .from(floatingIp)
    .where(and(eq(floatingIp.region, at.region), eq(floatingIp.id, id)))
    .for('update')
  return found ?? notFound('Floating IP', id)
}

export interface FloatingIpChange {
  description?: string
  /** Undefined leaves it; null leads it nowhere. */
  target?: { portId: string; fixedAddress: string | undefined } | null | undefined
}

export async function updateFloatingIp(
  tx: Tx,
  at: At,
  id: string,
  { target, ...change }: FloatingIpChange,
  asker: Asker,
): Promise<FloatingIp> {
  const before = await lockFloatingIp(tx, at, id)
  if (target !== undefined) await associate(tx, at, before, target, asker)
  const [after] = await tx
    .update(floatingIp)
    .set({ ...change, revision: sql`${floatingIp.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(floatingIp.id, id))
    .returning()
  await emit(tx, { type: 'floatingip.updated', resourceId: id, projectId: before.projectId, region: at.region })
  return after!
}

export async function deleteFloatingIp(tx: Tx, at: At, id: string, asker: Asker): Promise<void> {
  const found = await lockFloatingIp(tx, at, id)
  if (found.portId !== null) await associate(tx, at, found, null, asker)
  const port = await findPort(tx, at.region, found.floatingPortId)
  await tx.delete(floatingIp).where(eq(floatingIp.id, id))
  if (port) await removePorts(tx, at, [port])
  await emit(tx, { type: 'floatingip.deleted', resourceId: id, projectId: found.projectId, region: at.region })
}
