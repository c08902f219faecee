import type { Viewer } from '#lib/view.ts'
import type { AssignmentRow, Labelled } from './list.ts'

function labelled(id: string, label: Labelled | null | undefined): Record<string, unknown> {
  if (!label) return { id }
  return {
    id,
    name: label.name,
    ...(label.domainId !== null && { domain: { id: label.domainId, name: label.domainName } }),
  }
}

/** One entry of the list; its link leads to the grant that it comes from. */
export function assignmentView(row: AssignmentRow, { baseUrl }: Viewer): Record<string, unknown> {
  const where = row.targetKind === 'system' ? '/system' : `/${row.targetKind}s/${row.targetId}`
  const source = row.fromId === null ? where : `/${row.fromKind}s/${row.fromId}`
  const who = row.viaGroup === null ? `/${row.actorKind}s/${row.actorId}` : `/groups/${row.viaGroup}`
  const path = `${source}${who}/roles/${row.priorRole ?? row.roleId}`
  return {
    scope: {
      ...(row.targetKind === 'system'
        ? { system: { all: true } }
        : { [row.targetKind]: labelled(row.targetId, row.names?.target) }),
      ...(row.inherited && { 'OS-INHERIT:inherited_to': 'projects' }),
    },
    [row.actorKind]: labelled(row.actorId, row.names?.actor),
    role: labelled(row.roleId, row.names?.role),
    links: {
      assignment: `${baseUrl}${row.inherited ? `/OS-INHERIT${path}/inherited_to_projects` : path}`,
      ...(row.viaGroup !== null && { membership: `${baseUrl}/groups/${row.viaGroup}/users/${row.actorId}` }),
      ...(row.priorRole !== null && { prior_role: `${baseUrl}/prior_role/${row.priorRole}/implies/${row.roleId}` }),
    },
  }
}
