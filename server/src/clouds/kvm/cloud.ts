// Our own hosts, each with an agent that is told what should be and tells what is.
import type { Readable } from 'node:stream'
import type { AgentCalls } from '@pileus/contract/agent.ts'
import { sql } from '#lib/db.ts'
import { notFound, unavailable } from '#lib/fault.ts'
import type { ComputeDriver } from '#compute/driver.ts'
import type { NetworkDriver } from '#network/driver.ts'
import type { Cloud, CloudReports, CloudWorld } from '../cloud.ts'
import { asConsoleOutput, asDiagnostics } from './frames.ts'
import { connectPath, type Hub, openHub } from './hub.ts'
import { type Keys, loadKeys } from './keys.ts'
import { away } from './line.ts'
import { connected } from './model.ts'
import { agentService } from './routes.ts'
import { ensureMachine, ensureNoMachine, findPlace, listWished } from './wishes.ts'

export interface KvmOptions extends CloudReports {
  /** The bytes of an image, whoever owns it; undefined when there are none. */
  openImage: (id: string) => Promise<{ data: Readable; sizeBytes: number } | undefined>
}

export function kvmCloud(world: CloudWorld, options: KvmOptions): Cloud {
  const { db, config } = world
  const { region } = config
  const { openImage, compute: computeReports, network: networkReports } = options
  const reports = { compute: computeReports, network: networkReports }
  let loading: Promise<Keys> | undefined
  const keys = () => (loading ??= loadKeys(db))
  let hub: Hub | undefined

  const ask = async <Method extends keyof AgentCalls>(
    method: Method,
    host: string,
    params: AgentCalls[Method]['params'],
  ): Promise<unknown> => {
    const place = await findPlace(db, region, params.machineId, host)
    if (!place) return notFound('Machine', params.machineId)
    if (!place.connected || !hub) throw away(host)
    return hub.ask({ hostId: place.hostId, method, params })
  }

  const compute: ComputeDriver = {
    abilities: {
      suspend: true,
      pause: true,
      consoleOutput: true,
      diagnostics: true,
      rebuild: true,
      resize: true,
      configDrive: true,
    },
    ensureMachine: (host, spec) => ensureMachine(db, region, host, spec),
    ensureNoMachine: (id) => ensureNoMachine(db, region, id),
    listMachines: (olderThanMs) => listWished(db, region, olderThanMs),
    async consoleOutput(id, host, lines) {
      const answer = asConsoleOutput(await ask('machine.console', host, { machineId: id, lines }))
      return answer ? answer.output : unavailable(`The host ${host} answered something else than a console.`)
    },
    async diagnostics(id, host) {
      const answer = asDiagnostics(await ask('machine.diagnostics', host, { machineId: id }))
      return answer ?? unavailable(`The host ${host} answered something else than diagnostics.`)
    },
  }
  const network: NetworkDriver = {
    hostsChanged(hosts) {
      for (const host of hosts) db.publish('kvm', `network ${host}`)
    },
    async routerHosts() {
      const rows = await db.rows<{ host: string; networks: string[] | null }>(sql`
        select name as host, facts->'physicalNetworks' as networks from kvm_host
        where region = ${region} and ${connected} and facts is not null
        order by jsonb_array_length(facts->'physicalNetworks') desc, name`)
      return rows.map(({ host, networks }) => ({ host, physicalNetworks: networks ?? [] }))
    },
  }

  return {
    drivers: { compute, network },
    service: agentService(keys, openImage, reports),
    async start(server) {
      const opened = openHub(world, reports, await keys())
      hub = opened
      server.server.on('upgrade', (request, socket, head) => {
        if (request.url?.split('?')[0] === connectPath) opened.upgrade(request, socket, head)
        else if (server.server.listenerCount('upgrade') === 1) socket.destroy()
      })
    },
    close: async () => hub?.close(),
  }
}
