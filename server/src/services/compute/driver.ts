// What compute asks of a region's cloud, and what a cloud tells compute.
import type { HostFacts, MachineDiagnostics, MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import type { Db, Tx } from '#lib/db.ts'

/** What a cloud can do; a string is the reason why it cannot, for the user to read. */
export type Ability = 'suspend' | 'pause' | 'consoleOutput' | 'diagnostics' | 'rebuild' | 'resize' | 'configDrive'

export interface ComputeDriver {
  readonly abilities: Readonly<Record<Ability, true | string>>
  /**
   * Says what the machine should be on that host; may be repeated at will. Answers what is: the wish holds when `ready`.
   * While it does not, the cloud wakes the task `server:<id>` whenever something changes. Throws a Fault when it cannot
   * be made true.
   */
  ensureMachine(host: string, wish: MachineSpec, signal: AbortSignal): Promise<MachineStatus>
  /** The machine and all that is its own must not exist, wherever it is. */
  ensureNoMachine(id: string, host: string | null, signal: AbortSignal): Promise<'gone' | 'working'>
  /** Ids of all machines that are wished for, as long as this or longer with the same wish: to find what nobody owns. */
  listMachines(olderThanMs: number): Promise<string[]>
  /** The serial console so far; the last `lines` of it, or all that is kept. Throws unavailable when the host is away. */
  consoleOutput(id: string, host: string, lines: number | null): Promise<string>
  diagnostics(id: string, host: string): Promise<MachineDiagnostics>
}

/** What a cloud tells of its own accord; implemented by compute, handed to the clouds by app.ts. */
export interface ComputeReports {
  /** A machine is not as it was last seen (the guest powered itself off, QEMU died, …). Repeating it is harmless. */
  machineSeen(tx: Tx, region: string, machineId: string, status: MachineStatus): Promise<void>
  /** A host says what it has: it becomes, or stays, a place for machines. */
  hostsSeen(tx: Tx, region: string, hosts: readonly HostFacts[]): Promise<void>
  /** These hosts were heard from now. */
  hostsAlive(tx: Tx, region: string, names: readonly string[]): Promise<void>
  /** Ids of the machines that should be on that host: for a host that comes back with more than it is asked for. */
  machinesOn(db: Db, region: string, host: string): Promise<string[]>
}

declare module '#lib/world.ts' {
  interface Drivers {
    compute: ComputeDriver
  }
}
