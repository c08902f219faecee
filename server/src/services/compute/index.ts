// The door of compute.
export { computeReports } from './reports.ts'
export { computeService } from './service.ts'
export { releaseOrphans, removeOrphanMachines } from './servers/orphans.ts'
export { purgeServers } from './servers/purge.ts'
