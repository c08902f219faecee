// GET /role_assignments, page by page: as they were given, or what they come to (`effective`).
import { type Db, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { type Cursor, type Effect, effectsSql } from './effects.ts'
import { type AssignmentFilter, type Given, givenSql } from './reach.ts'

export type AssignmentRow = Omit<Effect, 'nr'> & { names: Names | null }
interface Names {
  actor: Labelled | null
  target: Labelled | null
  role: Labelled | null
}
export interface Labelled {
  name: string
  domainId: string | null
  domainName: string | null
}

/** Where a page ended: at which assignment, and at which of its effects. */
interface Place {
  given: Given
  effect: Cursor | undefined
}

const named = sql`
  jsonb_build_object(
    'actor', case when a."actorKind" = 'user'
      then (select jsonb_build_object('name', u.name, 'domainId', u.domain_id, 'domainName', d.name)
            from identity_user u join project d on d.id = u.domain_id where u.id = a."actorId")
      else (select jsonb_build_object('name', g.name, 'domainId', g.domain_id, 'domainName', d.name)
            from identity_group g join project d on d.id = g.domain_id where g.id = a."actorId") end,
    'target', (select jsonb_build_object('name', p.name, 'domainId', p.domain_id, 'domainName', d.name)
               from project p left join project d on d.id = p.domain_id where p.id = a."targetId"),
    'role', (select jsonb_build_object('name', r.name, 'domainId', r.domain_id, 'domainName', d.name)
             from role r left join project d on d.id = r.domain_id where r.id = a."roleId"))`

interface Wish {
  names: boolean
  limit: number
  marker: string | undefined
}

/** One page; `marker` is what the page before gave. Throws invalid for another one. */
export async function listAssignments(
  db: Db,
  filter: AssignmentFilter,
  { effective, ...wish }: Wish & { effective: boolean },
): Promise<{ rows: AssignmentRow[]; next: string | undefined }> {
  const place = wish.marker === undefined ? undefined : readMarker(wish.marker, effective)
  if (wish.limit === 0) return { rows: [], next: undefined }
  const { rows, last, more } = effective
    ? await effectsPage(db, filter, wish, place)
    : await givenPage(db, filter, wish, place)
  return { rows, next: more && last ? Buffer.from(JSON.stringify(last)).toString('base64url') : undefined }
}

interface Found {
  rows: AssignmentRow[]
  last: Place | undefined
  more: boolean
}

async function givenPage(db: Db, filter: AssignmentFilter, wish: Wish, place: Place | undefined): Promise<Found> {
  const from = place && { key: place.given, included: false }
  const page = givenSql({ filter, effective: false, from, limit: wish.limit + 1 })
  const found = await db.rows<Given & { names: Names | null }>(
    sql`select a.*, ${wish.names ? named : sql`null`} as names from (${page}) a`,
  )
  const rows = found.slice(0, wish.limit)
  const last = rows.at(-1)
  const asGiven = { viaGroup: null, fromKind: null, fromId: null, priorRole: null }
  return {
    rows: rows.map((row) => ({ ...row, ...asGiven })),
    last: last && { given: keyOf(last), effect: undefined },
    more: found.length > wish.limit,
  }
}

/**
 * Assignments are read by as many as a page has rows, and followed, until the page is full. Nearly all come to something;
 * where many do not (groups without members), each further reading is longer.
 */
async function effectsPage(db: Db, filter: AssignmentFilter, wish: Wish, place: Place | undefined): Promise<Found> {
  const found: (Effect & { names: Names | null; given: Given })[] = []
  let from = place && { key: place.given, included: true }
  for (let chunk = wish.limit + 2; found.length <= wish.limit; chunk = Math.min(chunk * 4, mostAtOnce)) {
    const given = await db.rows<Given>(givenSql({ filter, effective: true, from, limit: chunk }))
    const [first] = given
    const isFirst = place !== undefined && first !== undefined && isSame(first, place.given)
    const wanted = wish.limit + 1 - found.length
    const effects = effectsSql(given, filter, isFirst ? place.effect : undefined, wanted)
    const rows = await db.rows<Effect & { names: Names | null }>(
      sql`select a.*, ${wish.names ? named : sql`null`} as names from (${effects}) a`,
    )
    found.push(...rows.map((row) => ({ ...row, given: given[row.nr]! })))
    const end = given.at(-1)
    if (given.length < chunk || !end) break
    from = { key: end, included: false }
  }
  const rows = found.slice(0, wish.limit)
  const last = rows.at(-1)
  return {
    rows,
    last: last && {
      given: keyOf(last.given),
      effect: { userId: last.actorId, targetId: last.targetId, roleId: last.roleId },
    },
    more: found.length > wish.limit,
  }
}

const mostAtOnce = 20_000
const keyOf = ({ actorKind, actorId, targetKind, targetId, roleId, inherited }: Given): Given => ({
  ...{ actorKind, actorId, targetKind, targetId, roleId, inherited },
})
const isSame = (a: Given, b: Given) => JSON.stringify(keyOf(a)) === JSON.stringify(keyOf(b))

function readMarker(marker: string, effective: boolean): Place {
  try {
    const { given, effect } = JSON.parse(Buffer.from(marker, 'base64url').toString()) as Partial<Place>
    const isText = (value: unknown) => typeof value === 'string'
    const fits = (value: object | undefined, names: string[]) =>
      value !== undefined && names.every((name) => isText((value as Record<string, unknown>)[name]))
    const isGiven = fits(given, ['actorKind', 'actorId', 'targetKind', 'targetId', 'roleId'])
    if (
      isGiven &&
      typeof given?.inherited === 'boolean' &&
      fits(effect, ['userId', 'targetId', 'roleId']) === effective
    )
      return { given: keyOf(given), effect }
  } catch {
    // it is not one of ours
  }
  return invalid(`The marker ${marker.slice(0, 60)} could not be found.`)
}
