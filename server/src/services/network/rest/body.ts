// Bodies as Neutron takes them: `{network: {…}}`, or `{networks: [{…}, …]}` to make several at once.
import { Fault, invalid } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'
import { projectOf } from '#lib/actor.ts'
import type { Asker } from '../at.ts'

/** The things that a create's body asks for, and whether it asked in the plural. Throws invalid when it has both or none. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the schema has checked it; the caller names the type
export function asked<Item>(body: unknown, singular: string, plural: string): { items: Item[]; bulk: boolean } {
  const members = (body ?? {}) as Record<string, unknown>
  const [one, many] = [members[singular], members[plural]]
  if ((one === undefined) === (many === undefined))
    invalid(`The body must have either '${singular}' or '${plural}'.`, { code: 'HTTPBadRequest' })
  return one === undefined ? { items: many as Item[], bulk: true } : { items: [one as Item], bulk: false }
}

/** Whose the new thing is: an administrator may say, everybody else makes their own. Throws invalid. */
export function ownerOf(
  { actor, allows }: Pick<Request, 'actor' | 'allows'>,
  { project_id, tenant_id }: { project_id?: string | undefined; tenant_id?: string | undefined },
): string {
  if (project_id !== undefined && tenant_id !== undefined && project_id !== tenant_id)
    invalid("'project_id' and 'tenant_id' do not match.", { code: 'HTTPBadRequest' })
  const named = project_id ?? tenant_id
  if (named !== undefined && named !== actor.projectId && !actor.isAdmin && !allows('context_can_set_project_id'))
    invalid(
      "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
      { code: 'HTTPBadRequest' },
    )
  const owner = named ?? projectOf(actor)
  if (owner === '') invalid('A project_id is needed: the token is not for a project.', { code: 'HTTPBadRequest' })
  return owner
}

export function askerOf({ actor }: Pick<Request, 'actor'>): Asker {
  return { projectId: projectOf(actor), isAdmin: actor.isAdmin }
}

/** The same about networks, subnets and ports, all of which services see as administrators do. */
export function seerOf(req: Pick<Request, 'actor' | 'allows'>): Asker {
  const { projectId, isAdmin } = askerOf(req)
  return { projectId, isAdmin: isAdmin || req.allows('service_api') }
}

/** `If-Match: revision_number=N`: refuses when the thing has another revision. */
export function requireRevision(req: Pick<Request, 'headers'>, { revision }: { revision: number }): void {
  const wanted = /revision_number=(\d+)/.exec(String(req.headers['if-match'] ?? ''))?.[1]
  if (wanted !== undefined && Number(wanted) !== revision)
    throw new Fault(
      'preconditionFailed',
      `The revision number is ${revision}, and not ${wanted}: read it again first.`,
      {
        code: 'RevisionNumberConstraintFailed',
      },
    )
}
