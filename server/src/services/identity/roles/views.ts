import type { Viewer } from '#lib/view.ts'
import type { Role } from '../model.ts'
import { identityView } from '../shown.ts'

export const roleView = identityView<Role>(['role', 'roles'], '/roles', {
  name: (r) => r.name,
  domain_id: (r) => r.domainId,
  description: (r) => r.description,
  options: (r) => r.options,
})

type Shown = Pick<Role, 'id' | 'name'>
const short = ({ id, name }: Shown, { baseUrl }: Viewer) => ({
  id,
  name,
  links: { self: `${baseUrl}/roles/${id}` },
})

/** One prior role and what it implies: a role, or the list of all. */
export function inferenceView(prior: Shown, implied: Shown | Shown[], viewer: Viewer) {
  return {
    prior_role: short(prior, viewer),
    implies: Array.isArray(implied) ? implied.map((each) => short(each, viewer)) : short(implied, viewer),
  }
}
