import { identityView } from '../shown.ts'
import type { EndpointGroup } from './model.ts'

export const endpointGroupView = identityView<EndpointGroup>(
  ['endpoint_group', 'endpoint_groups'],
  '/OS-EP-FILTER/endpoint_groups',
  { name: (g) => g.name, description: (g) => g.description, filters: (g) => g.filters },
)
