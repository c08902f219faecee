// The door of the object store.
export { closeS3Server, makeS3Server } from './s3/listener.ts'
export { objectKeyService } from './keys/service.ts'
export { objectStoreService } from './service.ts'
export { swiftInfo } from './swift/info.ts'
export { startSweeping } from './sweep.ts'
export { flushUse } from './metering.ts'
