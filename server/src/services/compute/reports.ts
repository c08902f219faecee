// What hosts tell of their own accord.
import { emit } from '#lib/event.ts'
import { findUnfinishedTask, startTask } from '#lib/task.ts'
import { ensureHosts } from '#placement'
import type { ComputeReports } from './driver.ts'
import { putHosts, touchHosts } from './hosts/model.ts'
import { tellPlacementOfFallen } from './hosts/change.ts'
import { serverApply } from './servers/apply.ts'
import { changeServer, failServer, findServer, idsOnHost } from './servers/model.ts'

export const computeReports: ComputeReports = {
  async machineSeen(tx, region, machineId, status) {
    const server = await findServer(tx, region, machineId)
    if (!server || server.host === null) return
    const key = `server:${server.id}`
    // a task that works on the server sees for itself what its host says
    if (await findUnfinishedTask(tx, key)) return
    if (status.power === 'shutdown' && server.state === 'active') {
      // the guest powered itself off: that is now what is wished, and the host is told so
      const changed = await changeServer(tx, server.id, ['active'], { state: 'stopping', power: 'shutdown' })
      if (!changed) return
      const input = { serverId: server.id, change: 'stop' }
      await startTask(tx, serverApply, input, { key, region, projectId: server.projectId })
    } else if (status.power === 'crashed' && (server.state === 'active' || server.state === 'paused')) {
      const message =
        status.error ?? 'The guest ended unexpectedly: its emulator stopped. A hard reboot starts it again.'
      await failServer(tx, server.id, message, 'server.crashed')
    } else if (status.power === 'running' && status.ready && server.state === 'error' && server.power === 'running') {
      if (server.launchedAt)
        await changeServer(tx, server.id, ['error'], { state: 'active', fault: null }, 'server.back')
    }
  },

  async hostsSeen(tx, region, hosts) {
    await putHosts(tx, region, hosts)
    await ensureHosts(
      tx,
      hosts.map((facts) => ({
        region,
        name: facts.name,
        inventories: {
          VCPU: { total: facts.vcpus },
          MEMORY_MB: { total: facts.memoryMb },
          DISK_GB: { total: facts.diskGb },
        },
        traits: facts.traits,
      })),
    )
    for (const facts of hosts) {
      const payload = { tunnelAddress: facts.tunnelAddress, physicalNetworks: facts.physicalNetworks }
      await emit(tx, { type: 'host.seen', resourceId: facts.name, region, payload })
    }
  },

  async hostsAlive(tx, region, names) {
    await touchHosts(tx, region, names)
    await tellPlacementOfFallen(tx, region)
  },
  machinesOn: idsOnHost,
}
