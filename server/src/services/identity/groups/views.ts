import type { Group } from '../model.ts'
import { identityView } from '../shown.ts'

export const groupView = identityView<Group>(['group', 'groups'], '/groups', {
  name: (g) => g.name,
  domain_id: (g) => g.domainId,
  description: (g) => g.description,
})
