// Taking hosts out of use and back, which placement must know.
import type { Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict } from '#lib/fault.ts'
import { removeHost, setHostsEnabled } from '#placement'
import { changeAggregate, listAggregates } from '../aggregates/model.ts'
import { idsOnHost } from '../servers/model.ts'
import { changeHost, type ComputeHost, deleteHost, isUp, markFallen } from './model.ts'

const silent = 'it was not heard from'

/** Disables or enables the host for new servers, or forces it down. */
export async function setHostStatus(
  tx: Tx,
  host: ComputeHost,
  set: Partial<Pick<ComputeHost, 'disabled' | 'disabledReason' | 'forcedDown'>>,
): Promise<ComputeHost> {
  const changed = await changeHost(tx, host.id, set)
  await markFallen(tx, host.region)
  const usable = !changed.disabled && isUp(changed)
  const why = changed.disabled
    ? (changed.disabledReason ?? 'it was disabled')
    : changed.forcedDown
      ? 'it was forced down'
      : silent
  await setHostsEnabled(tx, host.region, [host.name], usable, why)
  return changed
}

/** Hosts that fell silent take no new servers; those that came back do again, unless they are disabled. */
export async function tellPlacementOfFallen(tx: Tx, region: string): Promise<void> {
  const changed = await markFallen(tx, region)
  const named = (down: boolean) =>
    changed.filter((each) => each.down === down && !each.disabled).map(({ name }) => name)
  await setHostsEnabled(tx, region, named(true), false, silent)
  await setHostsEnabled(tx, region, named(false), true)
  // the network service moves what such a host carried
  for (const { name, down } of changed)
    await emit(tx, { type: down ? 'host.gone' : 'host.back', resourceId: name, region })
}

/** The host is no more. Throws conflict while it has servers. */
export async function forgetHost(tx: Tx, host: ComputeHost): Promise<void> {
  if ((await idsOnHost(tx, host.region, host.name)).length > 0)
    conflict('Unable to delete compute service that is hosting instances. Delete the instances first.')
  for (const each of await listAggregates(tx, host.region))
    if (each.hosts.includes(host.name))
      await changeAggregate(tx, each.id, { hosts: each.hosts.filter((name) => name !== host.name) })
  await removeHost(tx, host.region, host.name)
  await deleteHost(tx, host.id)
}
