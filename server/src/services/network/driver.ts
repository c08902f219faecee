// What the network service asks of a region's cloud, and what a cloud asks and tells the network service.
import type { HostNetwork } from '@pileus/contract/agent.ts'
import type { Db, Tx } from '#lib/db.ts'

export interface NetworkDriver {
  /**
   * What these hosts carry has changed and was committed. Only a hint: the cloud reads the new state by `describeHost`,
   * soon and once for many hints, and again from time to time in case a hint was lost.
   */
  hostsChanged(hosts: readonly string[]): void
  /** The hosts that can carry routers, best first, with the external networks they reach. */
  routerHosts(): Promise<{ host: string; physicalNetworks: readonly string[] }[]>
}

/** Implemented by the network service, handed to the clouds by app.ts. */
export interface NetworkReports {
  /** All that a host must carry: the ports bound to it, their networks, the routers placed on it. */
  describeHost(db: Db, region: string, host: string): Promise<HostNetwork>
  /** The ports that are wired on that host; the others bound to it are down. */
  portsSeen(tx: Tx, region: string, host: string, wired: readonly string[]): Promise<void>
}

declare module '#lib/world.ts' {
  interface Drivers {
    network: NetworkDriver
  }
}
