// The door of the policy check.
export { policyCheckService } from './service.ts'
