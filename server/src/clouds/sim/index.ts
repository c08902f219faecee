// The door of the simulated cloud.
export { type SimCloud, simCloud } from './cloud.ts'
