// The door of the network service.
export type { Asker, At } from './at.ts'
export type { NetworkDriver, NetworkReports } from './driver.ts'
export { deleteFloatingIp } from './floating-ips/change.ts'
export { deleteGroup, updateGroup } from './security-groups/change.ts'
export {
  floatingPools,
  leadAway,
  leadToServer,
  type PooledIp,
  pooledIp,
  projectFloatingIps,
  takeFloatingIp,
} from './nova-network/floating-ips.ts'
export { namedNetwork, type NamedNetwork, namedNetworks } from './nova-network/networks.ts'
export {
  addIngress,
  groupsWithRules,
  type GroupWithRules,
  groupWithRules,
  type IngressRule,
  newGroup,
  projectGroups,
  removeIngress,
} from './nova-network/security-groups.ts'
export { networkReports } from './hosts/reports.ts'
export { allocateServerPorts, type NicAsker, type NicWish, type ServerPortsWish } from './server-ports/allocate.ts'
export { addServerGroup, removeServerGroup } from './server-ports/groups.ts'
export { attachPort, detachPort } from './server-ports/attach.ts'
export { bindPorts, portsUp, unbindServerPorts } from './server-ports/bind.ts'
export { securityGroupNames } from './server-ports/group-names.ts'
export { serverAddresses, type ServerNic } from './server-ports/addresses.ts'
export { type ServerAddress, type ServerPort, serverPorts } from './server-ports/list.ts'
export { networkDataJson } from './server-ports/network-data.ts'
export { networkService } from './service.ts'
