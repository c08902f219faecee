// A port that leaves a living server behind compute's back: its owner deleted it, or wrote another device on it, through the
// network API. The network is cut at once; the guest loses the NIC as soon as nothing else is under way for the server.
import { Type } from 'typebox'
import type { Tx } from '#lib/db.ts'
import type { Event, Subscriptions } from '#lib/event.ts'
import { Fault } from '#lib/fault.ts'
import { again, done, findUnfinishedTask, type Outcome, type Run, startTask, task } from '#lib/task.ts'
import { findServer } from './model.ts'
import { dropNic, resting } from './nics.ts'

const Input = Type.Object({ serverId: Type.String(), portId: Type.String() })

async function portLost(tx: Tx, { resourceId: portId, region = '', payload }: Event): Promise<void> {
  const serverId = payload?.['serverId']
  if (typeof serverId !== 'string') return
  const server = await findServer(tx, region, serverId)
  // without a host there is no guest yet, and a server that goes takes its ports along
  if (!server || server.host === null || server.state === 'deleting') return
  const { projectId } = server
  await startTask(tx, serverLosePort, { serverId, portId }, { key: `lost-port:${portId}`, region, projectId })
}

export const portSubscriptions: Subscriptions = { 'port.deleted': portLost, 'port.left': portLost }

export const serverLosePort = task({
  kind: 'server.lose_port',
  input: Input,
  deadline: '2h',
  steps: { takeTurn },
  // the next change of the server tells its host the same
  failed: async () => {},
})

async function takeTurn({ db, region, input }: Run<{ serverId: string; portId: string }>): Promise<Outcome> {
  const server = await findServer(db, region, input.serverId)
  // whatever brings a server of another state back to life reads its ports anew
  if (!server || server.host === null || server.state === 'deleting') return done()
  // a task that is under way may have told the host of the port already
  if (await findUnfinishedTask(db, `server:${server.id}`)) return again(1)
  if (!resting.includes(server.state)) return done()
  return done(async (tx) => {
    try {
      await dropNic(tx, server, input.portId)
    } catch (error) {
      // somebody was faster since: once more
      throw error instanceof Fault ? new Error('the server is busy again', { cause: error }) : error
    }
  })
}
