// What varies and is therefore handed over: made once in app.ts, the same object for requests and for tasks.
import type { Config } from '#lib/config.ts'
import type { Database } from '#lib/db.ts'
import type { Log } from '#lib/log.ts'

/**
 * What a region's cloud can do, by service. Each service's driver.ts adds its own contract:
 * `declare module '#lib/world.ts' { interface Drivers { compute: ComputeDriver } }`.
 */
// oxlint-disable-next-line typescript/no-empty-interface -- filled by the services' driver.ts
export interface Drivers {}

export interface World {
  readonly db: Database
  readonly config: Config
  readonly log: Log
  /** The drivers of a region's cloud. Throws a Fault for a region that is not known. */
  drivers(region: string): Drivers
}
