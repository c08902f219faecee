import type { Request } from '#lib/http/route.ts'
import { getNamespace } from './model.ts'

// What every route below a namespace shares.
export const namespaces = '/metadefs/namespaces'
export const inNamespace = `${namespaces}/:namespace`
export const namespaceOf = (req: Request) => getNamespace(req.db, req.region, req.params['namespace'] ?? '', req.actor)
export const ownerTarget = ({ owner, visibility }: { owner: string; visibility: string }) => ({
  project_id: owner,
  visibility,
})
