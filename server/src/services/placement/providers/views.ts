import { view, type Viewer } from '#lib/view.ts'
import { parseVersion } from '#lib/microversion.ts'
import type { Provider } from '../model.ts'

const below = [
  ['inventories', '1.0'],
  ['usages', '1.0'],
  ['aggregates', '1.1'],
  ['traits', '1.6'],
  ['allocations', '1.11'],
] as const

function links(row: Provider, viewer: Viewer): { rel: string; href: string }[] {
  const self = `${new URL(viewer.baseUrl).pathname}/resource_providers/${row.id}`
  return [
    { rel: 'self', href: self },
    ...below
      .filter(([, since]) => viewer.version >= parseVersion(since))
      .map(([rel]) => ({ rel, href: `${self}/${rel}` })),
  ]
}

export const providerView = view<Provider>(['resource_provider', 'resource_providers'], {
  uuid: (row) => row.id,
  name: (row) => row.name,
  generation: (row) => row.generation,
  links,
  parent_provider_uuid: { since: '1.14', get: (row) => row.parentId },
  root_provider_uuid: { since: '1.14', get: (row) => row.rootId },
})
