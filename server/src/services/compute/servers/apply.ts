// Changes of a server that exists: power, pausing, suspending, rebooting, rebuilding. All say the new wish in the row and
// then see to it that the host makes it true.
import { Type } from 'typebox'
import type { Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, Fault, invalid } from '#lib/fault.ts'
import { again, done, type Outcome, type Run, type StartOptions, startTask, task } from '#lib/task.ts'
import type { World } from '#lib/world.ts'
import type { Ability } from '../driver.ts'
import { specOf } from './create.ts'
import { changeServer, eventOf, failServer, findServer, type NewServer, type Server } from './model.ts'
import { type ChangeName, changes, words } from './states.ts'

const Input = Type.Object({ serverId: Type.String(), change: Type.String() })
type Applying = Run<{ serverId: string; change: string }>

const abilities: Partial<Record<ChangeName, Ability>> = {
  pause: 'pause',
  unpause: 'pause',
  suspend: 'suspend',
  resume: 'suspend',
  rebuild: 'rebuild',
  'rebuild-stopped': 'rebuild',
}

/** Throws invalid with the cloud's own reason when it cannot do that. */
export function requireAbility(world: World, region: string, ability: Ability): void {
  const able = world.drivers(region).compute.abilities[ability]
  if (able !== true) invalid(able)
}

/**
 * Once this commits, the server will change or will be in error with the reason. Throws conflict when it is in no state
 * for it, or something else is under way; invalid when the cloud cannot do it.
 */
export async function startChange(
  tx: Tx,
  world: World,
  server: Pick<Server, 'id' | 'region' | 'state'>,
  name: ChangeName,
  origin: Omit<StartOptions, 'key'>,
  set: Partial<NewServer> = {},
): Promise<Server> {
  const change = changes[name]
  const ability = abilities[name]
  if (ability) requireAbility(world, server.region, ability)
  const changed = await changeServer(tx, server.id, change.from, {
    state: change.during,
    power: change.power,
    fault: null,
    ...set,
  })
  if (!changed)
    return conflict(
      `Cannot '${name.replace(/-.*/, '')}' instance ${server.id} while it is in vm_state ${words[server.state].vm}${taskWord(server)}.`,
    )
  if (changed.host === null) conflict(`Instance ${server.id} is on no host: only deleting it is possible.`)
  await startTask(tx, serverApply, { serverId: server.id, change: name }, { ...origin, key: `server:${server.id}` })
  await emit(tx, eventOf(changed, `server.${name}.start`))
  return changed
}

function taskWord({ state }: Pick<Server, 'state'>): string {
  const { task: doing } = words[state]
  return doing === null ? '' : ` and task_state ${doing}`
}

export const serverApply = task({
  kind: 'server.apply',
  input: Input,
  deadline: '30m',
  steps: { apply },
  failed: (tx, { serverId, change }, fault) => failServer(tx, serverId, fault.message, `server.${change}.error`),
})

async function apply({ db, drivers, region, input, signal }: Applying): Promise<Outcome> {
  const change = changes[input.change as ChangeName]
  const server = await findServer(db, region, input.serverId)
  if (server?.state !== change.during || server.host === null) return done()
  const status = await drivers.compute.ensureMachine(server.host, await specOf(db, server), signal)
  if (status.error !== null) throw new Fault('unavailable', status.error)
  if (!status.ready) return again(10)
  const set = { state: change.then, adminPassword: null }
  return done((tx) => changeServer(tx, server.id, [change.during], set, `server.${input.change}.end`))
}
