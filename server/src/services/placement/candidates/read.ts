// The query string of GET /allocation_candidates: groups of wishes, each with a suffix to its keys, and wishes for all.
import { invalid } from '#lib/fault.ts'
import { many, one } from '#lib/http/page.ts'
import type { Request } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { atLeast, type Membership, readMemberOf, readResources, readTraits, type Traits } from '../http.ts'
import { requireClasses } from '../resource-classes/model.ts'
import { requireTraits } from '../traits/model.ts'
import type { CandidateRequest, Group } from './find.ts'

const firstVersions: Readonly<Record<string, string>> = {
  resources: '1.10',
  required: '1.17',
  member_of: '1.21',
  in_tree: '1.31',
  limit: '1.16',
  group_policy: '1.25',
  root_required: '1.35',
  same_subtree: '1.36',
}
const ofGroup = ['resources', 'required', 'member_of', 'in_tree']

/** Throws invalid for anything that this version does not know or that names what does not exist. */
export async function readCandidateRequest(req: Request): Promise<CandidateRequest> {
  const suffixes = readSuffixes(req)
  const sameSubtrees = many(req.query, 'same_subtree').map((text) => text.split(',').map((suffix) => suffix.trim()))
  const groups = [...suffixes].map((suffix) => readGroup(req, suffix))
  if (!groups.some(({ resources }) => resources.size > 0))
    invalid('There must be at least one resources or resources[$S] parameter.', {
      code: 'placement.query.missing_value',
    })
  for (const { suffix, resources } of groups)
    if (resources.size === 0 && !sameSubtrees.some((all) => all.includes(suffix)))
      invalid(`All request groups must specify resources: the group '${suffix}' has none.`, {
        code: 'placement.query.bad_value',
      })
  for (const suffix of sameSubtrees.flat())
    if (!suffixes.has(suffix) || suffix === '')
      invalid(`Real suffixes should be specified in same_subtree: '${suffix}' is none.`, {
        code: 'placement.query.bad_value',
      })
  const policy = one(req.query, 'group_policy')
  if (policy !== undefined && policy !== 'none' && policy !== 'isolate')
    invalid(`Invalid query string parameters: '${policy}' is not one of ['none', 'isolate']`)
  if (policy === undefined && groups.filter(({ suffix }) => suffix !== '').length > 1)
    invalid('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.')
  const rootTraits = readTraits(req, 'root_required')
  const limit = one(req.query, 'limit')
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit))
    invalid(`Invalid query string parameters: the limit '${limit}' is not a positive number.`)
  await requireClasses(
    req.db,
    req.region,
    groups.flatMap(({ resources }) => [...resources.keys()]),
  )
  const named = [rootTraits, ...groups].flatMap(({ required, forbidden }) => [...required.flat(), ...forbidden])
  await requireTraits(req.db, req.region, named)
  return {
    groups,
    isolate: policy === 'isolate',
    rootTraits,
    sameSubtrees,
    limit: limit === undefined ? undefined : Number(limit),
    nested: atLeast(req, '1.29'),
  }
}

function readSuffixes(req: Request): Set<string> {
  const suffix = atLeast(req, '1.33') ? '[a-zA-Z0-9_-]{1,64}' : atLeast(req, '1.25') ? '[1-9][0-9]*' : '(?!)'
  const form = new RegExp(`^(${ofGroup.join('|')})(${suffix})?$`)
  const found = new Set<string>()
  for (const key of Object.keys(req.query)) {
    const match = form.exec(key)
    const since = firstVersions[match?.[1] ?? key]
    if (since === undefined || !atLeast(req, since) || (!match && ofGroup.includes(key)))
      invalid(`Invalid query string parameters: '${key}' is not one of those that this version knows.`)
    if (match) found.add(match[2] ?? '')
  }
  return found
}

function readGroup(req: Request, suffix: string): Group {
  const resources = one(req.query, `resources${suffix}`)
  const inTree = one(req.query, `in_tree${suffix}`)
  if (inTree !== undefined && !isUuid(inTree))
    invalid(`Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: ${inTree}`)
  const traits: Traits = readTraits(req, `required${suffix}`)
  const membership: Membership = readMemberOf(req, `member_of${suffix}`)
  return {
    suffix,
    resources: resources === undefined ? new Map<string, number>() : readResources(resources),
    inTree: inTree?.toLowerCase(),
    ...traits,
    ...membership,
  }
}
