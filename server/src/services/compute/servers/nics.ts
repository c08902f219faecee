// NICs that come to a server and go from it while it lives.
import { Type } from 'typebox'
import type { Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, Fault, invalid, notFound } from '#lib/fault.ts'
import { again, done, goTo, next, type Outcome, type Run, type StartOptions, startTask, task } from '#lib/task.ts'
import type { World } from '#lib/world.ts'
import { attachPort, detachPort, type NicAsker, type NicWish } from '#network'
import { specOf } from './create.ts'
import { changeServer, eventOf, findServer, type Server } from './model.ts'
import { type State, words } from './states.ts'

const Input = Type.Object({
  serverId: Type.String(),
  portId: Type.String(),
  verb: Type.Enum(['attach', 'detach']),
  until: Type.String(),
})
type Plugging = Run<{ serverId: string; portId: string; verb: 'attach' | 'detach'; until: string }>

export const resting: readonly State[] = ['active', 'paused', 'stopped']
/** How long a guest has to let go of a port, or its host to wire one, before all is put back. */
const patienceMs = 300_000

/** Holds the row until the transaction ends. Throws conflict for a server that is in the middle of something. */
async function hold(tx: Tx, { id, state }: Pick<Server, 'id' | 'state'>, verb: string): Promise<Server> {
  const held = await changeServer(tx, id, resting, {})
  if (!held) return conflict(`Cannot '${verb}_interface' instance ${id} while it is in vm_state ${words[state].vm}.`)
  return held.host === null ? conflict(`Instance ${id} is on no host: only deleting it is possible.`) : held
}

async function start(
  tx: Tx,
  server: Server,
  portId: string,
  verb: 'attach' | 'detach',
  origin: Omit<StartOptions, 'key'>,
) {
  const until = new Date(Date.now() + patienceMs).toISOString()
  const input = { serverId: server.id, portId, verb, until }
  await startTask(tx, serverInterface, input, { ...origin, key: `server:${server.id}` })
  await emit(tx, eventOf(server, `server.interface_${verb}.start`))
}

/**
 * One more NIC: the port is the server's at once, its guest has it when the task is done. Returns the port's id. Throws
 * notFound, invalid, conflict, forbidden, overQuota.
 */
export async function attachInterface(
  tx: Tx,
  world: World,
  server: Pick<Server, 'id' | 'region' | 'state'>,
  nic: NicWish | 'auto',
  actor: NicAsker,
  origin: Omit<StartOptions, 'key'>,
): Promise<string> {
  const held = await hold(tx, server, 'attach')
  const wish = {
    projectId: held.projectId,
    serverId: held.id,
    hostname: held.hostname,
    securityGroups: [],
    availabilityZone: held.availabilityZone ?? 'nova',
    actor,
    nic,
    host: held.host ?? '',
  }
  const added = await attachPort(tx, { world, region: held.region }, wish).catch(asNova)
  if (!added) return invalid('No network is given, and the project has none to choose.')
  await start(tx, held, added.id, 'attach', origin)
  return added.id
}

/** What is not there is 404 here, and an open choice of networks is a bad request. */
function asNova(error: unknown): never {
  if (error instanceof Fault && (error.code === 'PortNotFound' || error.code === 'NetworkNotFound'))
    throw new Fault('notFound', error.message, { cause: error })
  if (error instanceof Fault && error.code === 'NetworkAmbiguous') invalid(error.message, { cause: error })
  throw error
}

/** Once this commits the guest is asked to let go of the port; when it has, the port leaves the server. Throws conflict. */
export async function detachInterface(
  tx: Tx,
  server: Pick<Server, 'id' | 'state'>,
  portId: string,
  origin: Omit<StartOptions, 'key'>,
): Promise<void> {
  await start(tx, await hold(tx, server, 'detach'), portId, 'detach', origin)
}

/** The guest is asked to let go of a port that is the server's no more. Throws conflict. */
export async function dropNic(tx: Tx, server: Server, portId: string): Promise<void> {
  const { region, projectId } = server
  await start(tx, await hold(tx, server, 'detach'), portId, 'detach', { region, projectId })
}

export const serverInterface = task({
  kind: 'server.interface',
  input: Input,
  deadline: '30m',
  steps: { plug, putBack, tell },
  async failed(tx, { serverId, verb }) {
    // the server itself is as it was
    await changeServer(tx, serverId, resting, {}, `server.interface_${verb}.error`)
  },
})

/** The server, unless it is gone, or going: then its ports go with it. */
async function living({ db, region, input }: Plugging): Promise<(Server & { host: string }) | undefined> {
  const server = await findServer(db, region, input.serverId)
  return server && server.host !== null && server.state !== 'deleting' ? { ...server, host: server.host } : undefined
}

/** The wish with the port or without it. */
async function say({ db, drivers, input, signal }: Plugging, server: Server & { host: string }, plugged: boolean) {
  const spec = await specOf(db, server)
  const nics = spec.nics.filter(({ portId }) => plugged || portId !== input.portId)
  return drivers.compute.ensureMachine(server.host, { ...spec, nics }, signal)
}

async function plug(run: Plugging): Promise<Outcome> {
  const { world, region, input, log } = run
  const server = await living(run)
  if (!server) return done()
  try {
    const status = await say(run, server, input.verb === 'attach')
    if (status.error !== null) throw new Fault('unavailable', status.error)
    if (!status.ready && Date.now() < Date.parse(input.until)) return again(10)
    if (!status.ready) throw new Fault('unavailable', `time is up while ${status.doing}`)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    log.warn({ err: error, server: server.id, port: input.portId }, `a port could not be ${input.verb}ed`)
    return goTo('putBack')
  }
  return done(async (tx) => {
    if (input.verb === 'detach') await release(tx, world, region, input)
    await changeServer(tx, server.id, resting, {}, `server.interface_${input.verb}.end`)
  })
}

async function putBack(run: Plugging): Promise<Outcome> {
  const { world, region, input, log } = run
  const server = await living(run)
  if (!server) return done()
  try {
    await say(run, server, input.verb === 'detach')
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    // the next change of the server says it again
    log.warn({ err: error, server: server.id }, 'the host did not hear that a port stays as it was')
  }
  return next(async (tx) => {
    if (input.verb === 'attach') await release(tx, world, region, input)
  })
}

async function tell({ input }: Plugging): Promise<Outcome> {
  throw new Fault(
    'unavailable',
    input.verb === 'attach'
      ? `Port ${input.portId} could not be plugged into the running guest and was taken back: stop the server, attach it, and start the server.`
      : `The guest did not let go of port ${input.portId}, which stays: stop the server and detach it then.`,
  )
}

/** Its owner may have deleted the port meanwhile. */
async function release(tx: Tx, world: World, region: string, { serverId, portId }: Plugging['input']): Promise<void> {
  try {
    await detachPort(tx, { world, region }, serverId, portId)
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'notFound') throw error
  }
}

/** Throws notFound for a port that is not one of these. */
export function requireNic<T extends { portId: string }>(nics: readonly T[], portId: string): T {
  return nics.find((nic) => nic.portId === portId.toLowerCase()) ?? notFound('Port', portId)
}
