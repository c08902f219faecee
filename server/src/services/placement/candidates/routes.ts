import { route } from '#lib/http/route.ts'
import { atLeast, fresh } from '../http.ts'
import { type Candidate, type CandidateRequest, findCandidates } from './find.ts'
import { readCandidateRequest } from './read.ts'
import { readTrees, type Stock, type Tree } from './stock.ts'

export const candidateRoutes = [
  route({
    method: 'GET',
    path: '/allocation_candidates',
    policy: 'placement:allocation_candidates:list',
    since: '1.10',
    async handle(req) {
      const request = await readCandidateRequest(req)
      const trees = await readTrees(req.db, req.region)
      const candidates = findCandidates(trees, request)
      return fresh(req, {
        allocation_requests: candidates.map((candidate) => showRequest(req, candidate)),
        provider_summaries: showSummaries(req, trees, request, candidates),
      })
    },
  }),
]

function showRequest(req: { version: number }, { allocations, mappings }: Candidate) {
  const pairs = [...allocations].map(([id, amounts]) => [id, Object.fromEntries(amounts)] as const)
  if (!atLeast(req, '1.12'))
    return { allocations: pairs.map(([uuid, resources]) => ({ resource_provider: { uuid }, resources })) }
  return {
    allocations: Object.fromEntries(pairs.map(([id, resources]) => [id, { resources }])),
    ...(atLeast(req, '1.34') && { mappings: Object.fromEntries(mappings) }),
  }
}

/** What the providers of the candidates have; from 1.29 on also that of the others of their trees. */
function showSummaries(
  req: { version: number },
  trees: readonly Tree[],
  request: CandidateRequest,
  candidates: readonly Candidate[],
) {
  const used = new Set(candidates.flatMap(({ allocations }) => [...allocations.keys()]))
  const asked = new Set(request.groups.flatMap(({ resources }) => [...resources.keys()]))
  const wholeTrees = atLeast(req, '1.29')
  const shown = trees.flatMap(({ providers }) =>
    wholeTrees && providers.some(({ id }) => used.has(id)) ? providers : providers.filter(({ id }) => used.has(id)),
  )
  return Object.fromEntries(shown.map((stock) => [stock.id, showSummary(req, stock, asked)]))
}

function showSummary(req: { version: number }, stock: Stock, asked: ReadonlySet<string>) {
  const resources = [...stock.inventories]
    .filter(([name]) => atLeast(req, '1.27') || asked.has(name))
    .map(([name, { capacity, used }]) => [name, { capacity, used }])
  return {
    resources: Object.fromEntries(resources),
    ...(atLeast(req, '1.17') && { traits: [...stock.traits].toSorted() }),
    ...(atLeast(req, '1.29') && { parent_provider_uuid: stock.parentId, root_provider_uuid: stock.rootId }),
  }
}
