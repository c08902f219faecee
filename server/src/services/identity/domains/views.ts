import type { Project } from '../model.ts'
import { identityView } from '../shown.ts'

export const domainView = identityView<Project>(['domain', 'domains'], '/domains', {
  name: (d) => d.name,
  description: (d) => d.description,
  enabled: (d) => d.enabled,
  tags: (d) => d.tags,
  options: (d) => d.options,
})
