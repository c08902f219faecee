import { policies } from '#lib/policy.ts'

const ofProject = 'project_id:%(project_id)s'
const reseller = 'role:admin or role:ResellerAdmin'

export const objectStorePolicies = policies({
  // what the access lists of a container cannot give
  'account:read': `${reseller} or ((role:reader or role:swiftoperator) and ${ofProject})`,
  'account:write': `${reseller} or ((role:member or role:swiftoperator) and ${ofProject})`,
  // quotas of accounts are set by those who sell them
  'account:quota': reseller,
  // where the bytes are, and which are lost: of all projects
  'storage:get': 'role:admin',
})
