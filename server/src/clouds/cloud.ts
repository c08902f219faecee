// What app.ts is given by a cloud, whichever it is.
import type { FastifyInstance } from 'fastify'
import type { Service } from '#lib/http/route.ts'
import type { World } from '#lib/world.ts'
import type { ComputeDriver, ComputeReports } from '#compute/driver.ts'
import type { NetworkDriver, NetworkReports } from '#network/driver.ts'

export type CloudWorld = Pick<World, 'db' | 'config' | 'log'>

/** Where a cloud tells what it sees; implemented by the services. */
export interface CloudReports {
  compute: ComputeReports
  network: NetworkReports
}

export interface Cloud {
  readonly drivers: { readonly compute: ComputeDriver; readonly network: NetworkDriver }
  /** The cloud's own HTTP routes, if it has any. */
  readonly service: Service | undefined
  /** Begins what runs beside requests (announcing hosts, heartbeats, connections of agents). Called once per process. */
  start(server: FastifyInstance): Promise<void>
  close(): Promise<void>
}
