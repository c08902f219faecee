import type { Tx } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { changeServer, type NewServer, type Server } from './model.ts'
import { states } from './states.ts'

type Descriptive = Pick<
  NewServer,
  | 'name'
  | 'description'
  | 'hostname'
  | 'accessIpV4'
  | 'accessIpV6'
  | 'diskConfig'
  | 'metadata'
  | 'tags'
  | 'lockedBy'
  | 'lockedReason'
>

/** What only describes a server may be changed at any time. */
export async function updateServer(tx: Tx, { id }: Pick<Server, 'id'>, set: Partial<Descriptive>): Promise<Server> {
  const living = states.filter((state) => state !== 'deleted')
  const changed = await changeServer(tx, id, living, set, 'server.update')
  return changed ?? notFound('Instance', id)
}
