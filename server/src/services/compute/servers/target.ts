import { notFound } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'
import { getServer, type Server } from './model.ts'

/** The server that the path names; of other projects' servers only admins may know. */
export async function serverTarget(req: Pick<Request, 'db' | 'region' | 'params' | 'actor'>): Promise<Server> {
  const id = req.params['id'] ?? ''
  const row = await getServer(req.db, req.region, id)
  return row.projectId === req.actor.projectId || req.actor.isAdmin ? row : notFound('Instance', id)
}
