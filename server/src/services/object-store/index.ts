// The door of the object store.
export { objectStoreService } from './service.ts'
export { swiftInfo } from './swift/info.ts'
export { startSweeping } from './sweep.ts'
