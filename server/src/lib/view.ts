// What a reply shows: one table of fields for each kind of thing, each field saying since and until which version it is
// there and which policy must allow it. Compiled once for each version.
import type { Actor } from '#lib/actor.ts'
import { parseVersion, type Version } from '#lib/microversion.ts'
import type { Enforcer } from '#lib/policy.ts'

/** For whom a view is drawn. */
export interface Viewer {
  readonly version: Version
  readonly actor: Actor
  readonly policy: Enforcer
  /** The service's own address as the client sees it, without a slash at the end: links begin with it. */
  readonly baseUrl: string
  readonly region: string
}

type Get<Row> = (row: Row, viewer: Viewer) => unknown
interface FieldRule<Row> {
  get: Get<Row>
  since?: string
  until?: string
  /** The field is left out for those whom this rule refuses. */
  policy?: string
}
type Fields<Row> = Record<string, Get<Row> | FieldRule<Row>>

interface Compiled<Row> {
  keys: string[]
  gets: Get<Row>[]
  policies: (string | undefined)[]
  guarded: boolean
}

export interface View<Row> {
  /** The bare thing. A getter that returns undefined leaves its field out. */
  item(row: Row, viewer: Viewer): Record<string, unknown>
  /** `{<singular>: {…}}` */
  show(row: Row, viewer: Viewer): Record<string, unknown>
  /** `{<plural>: […]}`, with more members (links) if given. */
  list(rows: readonly Row[], viewer: Viewer, more?: Record<string, unknown>): Record<string, unknown>
}

/**
 * Declares how a row is shown. `names` are the singular and the plural of the envelope. `targetOf` gives what field
 * policies are asked about (project_id, user_id); fields with a policy are decided once for each distinct target.
 */
export function view<Row>(
  names: readonly [singular: string, plural: string],
  fields: Fields<Row>,
  targetOf: (row: Row) => Record<string, unknown> = projectTarget,
): View<Row> {
  const byVersion = new Map<Version, Compiled<Row>>()
  const compile = (version: Version): Compiled<Row> => {
    const made: Compiled<Row> = { keys: [], gets: [], policies: [], guarded: false }
    for (const [key, field] of Object.entries(fields)) {
      const rule: FieldRule<Row> = typeof field === 'function' ? { get: field } : field
      if (rule.since !== undefined && version < parseVersion(rule.since)) continue
      if (rule.until !== undefined && version > parseVersion(rule.until)) continue
      // a key that ends in a space is the same key for another range of versions
      made.keys.push(key.trimEnd())
      made.gets.push(rule.get)
      made.policies.push(rule.policy)
      made.guarded ||= rule.policy !== undefined
    }
    byVersion.set(version, made)
    return made
  }
  const drawer = (viewer: Viewer) => {
    const { keys, gets, policies, guarded } = byVersion.get(viewer.version) ?? compile(viewer.version)
    const decided = new Map<string, boolean[]>()
    return (row: Row): Record<string, unknown> => {
      let allowed: boolean[] | undefined
      if (guarded) {
        const target = targetOf(row)
        const same = Object.values(target).join('\n')
        allowed = decided.get(same)
        if (!allowed) {
          allowed = policies.map((rule) => rule === undefined || viewer.policy.allows(rule, viewer.actor, target))
          decided.set(same, allowed)
        }
      }
      const shown: Record<string, unknown> = {}
      for (let i = 0; i < keys.length; i++) {
        if (allowed && !allowed[i]) continue
        const value = gets[i]!(row, viewer)
        if (value !== undefined) shown[keys[i]!] = value
      }
      return shown
    }
  }
  return {
    item: (row, viewer) => drawer(viewer)(row),
    show: (row, viewer) => ({ [names[0]]: drawer(viewer)(row) }),
    list: (rows, viewer, more) => ({ [names[1]]: rows.map(drawer(viewer)), ...more }),
  }
}

function projectTarget(row: unknown): Record<string, unknown> {
  const { projectId, userId } = row as { projectId?: unknown; userId?: unknown }
  return { project_id: projectId, tenant_id: projectId, user_id: userId }
}
