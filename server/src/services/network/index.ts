// The door of the network service.
export type { Asker, At } from './at.ts'
export type { NetworkDriver, NetworkReports } from './driver.ts'
export { networkReports } from './hosts/reports.ts'
export { allocateServerPorts, type NicWish, type ServerPortsWish } from './server-ports/allocate.ts'
export { attachPort, detachPort } from './server-ports/attach.ts'
export { bindPorts, portsUp, unbindServerPorts } from './server-ports/bind.ts'
export { type ServerAddress, type ServerPort, serverPorts } from './server-ports/list.ts'
export { networkDataJson } from './server-ports/network-data.ts'
