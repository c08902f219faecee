// The door of placement.
export {
  ensureHost,
  ensureHosts,
  type Host,
  type HostInventory,
  type HostUsage,
  removeHost,
  setHostAggregates,
  setHostEnabled,
  setHostsEnabled,
  usageByHost,
} from './hosts/ensure.ts'
export { allocationsOf, claimants, release } from './claims/claim.ts'
export type { Refusal } from './claims/explain.ts'
export { dryRun, place } from './claims/place.ts'
export type { Placement, PlacementRequest } from './claims/request.ts'
export { placementService } from './service.ts'
