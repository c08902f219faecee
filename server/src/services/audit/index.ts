// The door of the audit trail.
export { pruneAudit } from './prune.ts'
export { makeRecorder, type Recorder } from './recorder.ts'
export { auditService } from './service.ts'
