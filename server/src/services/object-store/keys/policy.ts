import { admin, policies, projectManager, projectMember, projectReader } from '#lib/policy.ts'

export const objectKeyPolicies = policies({
  'object-key:list': projectReader,
  'object-key:get': projectReader,
  'object-key:create': projectMember,
  // who switches a key off, or destroys it, does so to all that it encrypted: locked objects too
  'object-key:update': projectManager,
  'object-key:delete': projectManager,
  // the deployment's own key of a project
  'object-key:delete_storage': admin,
})
