// What a detailed list shows of a row is drawn once for each kind of viewer: as long as the row, its NICs and its host's
// status are what they were, the text is the same.
import type { Viewer } from '#lib/view.ts'
import { serverDetail, type ShownServer } from './views.ts'

interface Drawn {
  key: string
  text: string
}
const kept = new WeakMap<object, Drawn>()

/** The rules that decide about fields; what a viewer sees of a project's servers depends on nothing else of him. */
const rules = [
  'os_compute_api:os-extended-server-attributes',
  'os_compute_api:servers:show:flavor-extra-specs',
  'os_compute_api:servers:show:host_status',
]

/** `{"servers": […]}` as text; `rows` are the kept rows that the texts belong to, `more` stands behind the list. */
export function drawDetail(
  servers: readonly ShownServer[],
  rows: readonly object[],
  viewer: Viewer,
  more: Record<string, unknown> = {},
): string {
  const kinds = new Map<string, string>()
  const kindOf = (projectId: string) => {
    let kind = kinds.get(projectId)
    if (kind === undefined) {
      const target = { project_id: projectId }
      const allowed = rules.map((rule) => (viewer.policy.allows(rule, viewer.actor, target) ? 1 : 0))
      kinds.set(projectId, (kind = `${viewer.version} ${viewer.baseUrl} ${allowed.join('')}`))
    }
    return kind
  }
  const texts = servers.map((server, i) => {
    const row = rows[i]!
    const key = `${kindOf(server.projectId)}\n${server.hostStatus ?? ''}\n${JSON.stringify(server.nics)}`
    const known = kept.get(row)
    if (known?.key === key) return known.text
    const text = JSON.stringify(serverDetail.item(server, viewer))
    kept.set(row, { key, text })
    return text
  })
  const rest = JSON.stringify(more).slice(1, -1)
  return `{"servers":[${texts.join(',')}]${rest === '' ? '' : `,${rest}`}}`
}
