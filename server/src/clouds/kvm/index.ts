// The door of the cloud of our own hosts.
export { kvmCloud } from './cloud.ts'
