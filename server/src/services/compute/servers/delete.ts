// The only clean-up code: it comes to its end from any half-made state.
import { Type } from 'typebox'
import type { Tx } from '#lib/db.ts'
import { again, done, type Outcome, type Run, type StartOptions, startTask, task } from '#lib/task.ts'
import { unbindServerPorts } from '#network'
import { release } from '#placement'
import { changeServer, failServer, findServer, type Server } from './model.ts'
import { states } from './states.ts'

const Input = Type.Object({ serverId: Type.String() })
type Deleting = Run<{ serverId: string }>

const living = states.filter((state) => state !== 'deleted')

/** Once this commits, the server will go, whatever else is under way for it. Repeating it is harmless. */
export async function deleteServer(
  tx: Tx,
  server: Pick<Server, 'id'>,
  origin: Omit<StartOptions, 'key'>,
): Promise<void> {
  const changed = await changeServer(tx, server.id, living, { state: 'deleting' }, 'server.delete.start')
  if (changed) await startTask(tx, serverDelete, { serverId: server.id }, { ...origin, key: `server:${server.id}` })
}

export const serverDelete = task({
  kind: 'server.delete',
  input: Input,
  deadline: '2h',
  steps: { remove },
  supersedes: true,
  async failed(tx, { serverId }, fault) {
    // out of 'deleting' first: a server whose deletion failed must be deletable again
    await changeServer(tx, serverId, ['deleting'], { state: 'error' })
    await failServer(tx, serverId, fault.message, 'server.delete.error')
  },
})

async function remove({ db, world, drivers, region, input, signal }: Deleting): Promise<Outcome> {
  const server = await findServer(db, region, input.serverId)
  if (!server) return done()
  // even without a host in the row: a creation may have been cut short behind its placement
  const state = await drivers.compute.ensureNoMachine(server.id, server.host, signal)
  if (state === 'working') return again(10)
  return done(async (tx) => {
    await unbindServerPorts(tx, { world, region }, server.id)
    await release(tx, server.id)
    // what only a living server needs goes; the rest stays for usage reports and history
    const cleared = {
      userData: null,
      key: null,
      files: [],
      adminPassword: null,
      fault: null,
      host: null,
      groupId: null,
    }
    const gone = { ...cleared, state: 'deleted' as const, deletedAt: new Date() }
    await changeServer(tx, server.id, living, gone, 'server.delete.end')
  })
}
