import type { Project } from '../model.ts'
import { identityView } from '../shown.ts'

export const projectView = identityView<Project>(['project', 'projects'], '/projects', {
  name: (p) => p.name,
  domain_id: (p) => p.domainId,
  description: (p) => p.description,
  enabled: (p) => p.enabled,
  parent_id: (p) => p.parentId,
  is_domain: (p) => p.isDomain,
  tags: (p) => p.tags,
  options: (p) => p.options,
})

/** `{parent: {grandparent: null}}`; null without any. */
export function ancestorsAsIds(ancestors: readonly Project[]): Record<string, unknown> | null {
  return ancestors.toReversed().reduce<Record<string, unknown> | null>((above, { id }) => ({ [id]: above }), null)
}

/** `{child: {grandchild: null}}`; null without any. */
export function descendantsAsIds(root: string, descendants: readonly Project[]): Record<string, unknown> | null {
  const children = descendants.filter(({ parentId }) => parentId === root)
  if (children.length === 0) return null
  return Object.fromEntries(children.map(({ id }) => [id, descendantsAsIds(id, descendants)]))
}
