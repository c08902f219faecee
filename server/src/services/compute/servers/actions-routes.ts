// `POST /servers/{id}/action`: what can be done with a server.
import { Type } from 'typebox'
import { Fault, invalid } from '#lib/fault.ts'
import { action, actions, reply, type Request, type Route } from '#lib/http/route.ts'
import { Name, strict } from '#lib/http/schema.ts'
import { parseVersion } from '#lib/microversion.ts'
import { addServerGroup, leadAway, leadToServer, removeServerGroup } from '#network'
import { askerOf } from '../proxies/asker.ts'
import { requireAbility, startChange } from './apply.ts'
import { deleteServer } from './delete.ts'
import { changeServer, type NewServer, type Server } from './model.ts'
import { migrateAction, noMoves, resizeAction } from './moves-routes.ts'
import { canonical, makePassword, filesOf, imageFor, keyOf, metadataOf, userDataOf } from './requests.ts'
import { requireUnlocked, showChanged } from './routes.ts'
import { ChangePassword, ConsoleOutput, Ip as IpAddress, Lock, Nothing, Reboot, Rebuild, ResetState } from './schema.ts'
import { type ChangeName, states, words } from './states.ts'
import { serverTarget } from './target.ts'
import { updateServer } from './update.ts'

const accepted = () => reply({ status: 202 })
/** Without the control characters that no terminal needs: NUL and its like only harm a reader. */
function printable(text: string): string {
  return Array.from(text, (c) => (c < ' ' && !'\t\n\r\u001b'.includes(c) ? '' : c)).join('')
}

type Asked = Pick<Request, 'db' | 'world' | 'origin' | 'actor'>

async function change(req: Asked, row: Server, name: ChangeName, set?: Partial<NewServer>) {
  requireUnlocked(row, req.actor.isAdmin)
  return req.db.transaction((tx) => startChange(tx, req.world, row, name, req.origin, set))
}

function simple(name: ChangeName, policy: string): Route {
  return action({
    policy: `os_compute_api:${policy}`,
    body: Nothing,
    target: serverTarget,
    async handle(req, row) {
      await change(req, row, name)
      return accepted()
    },
  })
}

/** What this cloud cannot do yet: known, allowed or refused by policy as in Nova, then answered with the reason. */
function impossible(policy: string, why: string, since?: string): Route {
  return action({
    policy: `os_compute_api:${policy}`,
    body: Nothing,
    target: serverTarget,
    ...(since !== undefined && { since }),
    handle: () => Promise.reject(new Fault('invalid', why)),
  })
}

/** A security group comes to all ports of a server, or leaves them; the guest goes on. */
function securityGroup(verb: 'add' | 'remove', change: typeof addServerGroup): Route {
  return action({
    policy: `os_compute_api:os-security-groups:${verb}`,
    body: strict({ name: Name }),
    target: serverTarget,
    async handle({ db, world, region, body }, row) {
      const wish = { projectId: row.projectId, serverId: row.id, group: body.name }
      await db
        .transaction((tx) => change(tx, { world, region }, wish))
        .catch((error: unknown) => {
          if (error instanceof Fault && error.code === 'SecurityGroupNotFound')
            throw new Fault('notFound', error.message, { cause: error })
          throw error
        })
      return accepted()
    },
  })
}

const noRescue = 'Rescuing a server is not possible in this cloud yet.'
const noShelving = 'Shelving servers is not possible in this cloud yet.'

export const serverActions = actions('/servers/:id/action', {
  'os-start': simple('start', 'servers:start'),
  'os-stop': simple('stop', 'servers:stop'),
  pause: simple('pause', 'os-pause-server:pause'),
  unpause: simple('unpause', 'os-pause-server:unpause'),
  suspend: simple('suspend', 'os-suspend-server:suspend'),
  resume: simple('resume', 'os-suspend-server:resume'),
  reboot: action({
    policy: 'os_compute_api:servers:reboot',
    body: Reboot,
    target: serverTarget,
    async handle(req, row) {
      const hard = req.body.type.toLowerCase() === 'hard'
      const restart = { restartSerial: row.restartSerial + 1, restartHard: hard }
      await change(req, row, hard ? 'reboot-hard' : 'reboot', restart)
      return accepted()
    },
  }),
  rebuild: action({
    policy: 'os_compute_api:servers:rebuild',
    body: Rebuild,
    target: serverTarget,
    async handle(req, row) {
      const { body, version } = req
      if (body.trusted_image_certificates?.length) invalid('Image certificates are not checked in this cloud.')
      const image = await imageFor(req, body.imageRef, row.flavor)
      const adminPassword = body.adminPass ?? makePassword()
      const set: Partial<NewServer> = {
        image,
        imageId: image.id,
        diskSerial: row.diskSerial + 1,
        restartSerial: row.restartSerial + 1,
        restartHard: true,
        adminPassword,
        ...(body.name !== undefined && { name: body.name.trim() }),
        ...(body.hostname !== undefined && { hostname: body.hostname }),
        ...(body.metadata !== undefined && { metadata: await metadataOf(req, body.metadata) }),
        ...(body['OS-DCF:diskConfig'] !== undefined && { diskConfig: body['OS-DCF:diskConfig'] }),
        ...(body.accessIPv4 !== undefined && { accessIpV4: body.accessIPv4 }),
        ...(body.accessIPv6 !== undefined && { accessIpV6: canonical(body.accessIPv6) }),
        ...(body.description !== undefined && { description: body.description }),
        ...(body.personality !== undefined && { files: await filesOf(req, body.personality) }),
        ...(body.key_name !== undefined && (await keyOf(req, body.key_name))),
        ...(body.user_data !== undefined && { userData: userDataOf(body.user_data) }),
      }
      const changed = await change(req, row, row.state === 'stopped' ? 'rebuild-stopped' : 'rebuild', set)
      // the reply to a rebuild tells the user data under a name of its own
      const { 'OS-EXT-SRV-ATTR:user_data': _, ...described } = await showChanged(req, changed)
      const server = {
        ...described,
        adminPass: adminPassword,
        ...(version >= parseVersion('2.57') && { user_data: changed.userData }),
      }
      return reply({ status: 202, body: { server } })
    },
  }),
  lock: action({
    policy: 'os_compute_api:os-lock-server:lock',
    body: Lock,
    target: serverTarget,
    async handle({ db, actor, body }, row) {
      const lockedBy = row.projectId === actor.projectId && !actor.isAdmin ? 'owner' : 'admin'
      const lockedReason = body?.locked_reason ?? null
      await db.transaction((tx) => updateServer(tx, row, { lockedBy, lockedReason }))
      return accepted()
    },
  }),
  unlock: action({
    policy: 'os_compute_api:os-lock-server:unlock',
    body: Nothing,
    target: serverTarget,
    async handle(req, row) {
      if (row.lockedBy === 'admin') req.require('os_compute_api:os-lock-server:unlock:unlock_override')
      await req.db.transaction((tx) => updateServer(tx, row, { lockedBy: null, lockedReason: null }))
      return accepted()
    },
  }),
  'os-getConsoleOutput': action({
    policy: 'os_compute_api:os-console-output',
    body: ConsoleOutput,
    target: serverTarget,
    async handle({ body, world, region }, row) {
      if (row.host === null || row.state === 'building' || row.launchedAt === null)
        throw new Fault('conflict', `Instance ${row.id} is not ready.`)
      requireAbility(world, region, 'consoleOutput')
      const asked = body?.length ?? -1
      const lines = Number(asked) < 0 ? null : Number(asked)
      const output = await world.drivers(region).compute.consoleOutput(row.id, row.host, lines)
      return { output: printable(output) }
    },
  }),
  'os-resetState': action({
    policy: 'os_compute_api:os-admin-actions:reset_state',
    body: ResetState,
    target: serverTarget,
    async handle({ db, body }, row) {
      const living = states.filter((state) => state !== 'deleted')
      const fault = {
        code: 500,
        message: 'An administrator set the state to error.',
        created: new Date().toISOString(),
      }
      const set = { state: body.state, fault: body.state === 'error' ? fault : null }
      await db.transaction((tx) => changeServer(tx, row.id, living, set, 'server.reset'))
      return accepted()
    },
  }),
  forceDelete: action({
    policy: 'os_compute_api:os-deferred-delete:force',
    body: Nothing,
    target: serverTarget,
    async handle({ db, origin, actor }, row) {
      requireUnlocked(row, actor.isAdmin)
      await db.transaction((tx) => deleteServer(tx, row, origin))
      return accepted()
    },
  }),
  restore: action({
    policy: 'os_compute_api:os-deferred-delete:restore',
    body: Nothing,
    target: serverTarget,
    handle: (_req, row) =>
      Promise.reject(
        new Fault('conflict', `Cannot 'restore' instance ${row.id} while it is in vm_state ${words[row.state].vm}.`),
      ),
  }),
  changePassword: action({
    policy: 'os_compute_api:os-admin-password',
    body: ChangePassword,
    target: serverTarget,
    async handle(_req, row) {
      if (row.state !== 'active')
        throw new Fault(
          'conflict',
          `Cannot 'set admin password' on instance ${row.id} while it is in vm_state ${words[row.state].vm}.`,
        )
      throw new Fault('invalid', 'A running guest cannot be given a password from outside: use its key, or rebuild it.')
    },
  }),
  createImage: action({
    policy: 'os_compute_api:servers:create_image',
    body: strict({
      name: Type.String({ minLength: 1, maxLength: 255 }),
      metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
    target: serverTarget,
    handle: () => Promise.reject(new Fault('invalid', 'Images cannot be made of servers in this cloud yet.')),
  }),
  createBackup: impossible('os-create-backup', 'Images cannot be made of servers in this cloud yet.'),
  addSecurityGroup: securityGroup('add', addServerGroup),
  removeSecurityGroup: securityGroup('remove', removeServerGroup),
  addFloatingIp: action({
    policy: 'os_compute_api:os-floating-ips:add',
    until: '2.43',
    body: strict({ address: IpAddress, fixed_address: Type.Optional(IpAddress) }),
    target: serverTarget,
    async handle(req, row) {
      const { address, fixed_address: fixedAddress = null } = req.body
      const wish = { address, fixedAddress, serverId: row.id }
      await req.db.transaction((tx) => leadToServer(tx, req, wish, askerOf(req)))
      return accepted()
    },
  }),
  removeFloatingIp: action({
    policy: 'os_compute_api:os-floating-ips:remove',
    until: '2.43',
    body: strict({ address: IpAddress }),
    target: serverTarget,
    async handle(req, row) {
      await req.db.transaction((tx) => leadAway(tx, req, req.body.address, row.id, askerOf(req)))
      return accepted()
    },
  }),
  resize: resizeAction,
  confirmResize: impossible('servers:confirm_resize', noMoves),
  revertResize: impossible('servers:revert_resize', noMoves),
  migrate: migrateAction,
  'os-migrateLive': impossible('os-migrate-server:migrate_live', noMoves),
  evacuate: impossible('os-evacuate', noMoves),
  rescue: impossible('os-rescue', noRescue),
  unrescue: impossible('os-unrescue', noRescue),
  shelve: impossible('os-shelve:shelve', noShelving),
  shelveOffload: impossible('os-shelve:shelve_offload', noShelving),
  unshelve: impossible('os-shelve:unshelve', noShelving),
  injectNetworkInfo: impossible(
    'os-admin-actions:inject_network_info',
    'Guests learn their network by DHCP and metadata.',
  ),
  trigger_crash_dump: impossible(
    'servers:trigger_crash_dump',
    'Crash dumps cannot be triggered in this cloud.',
    '2.17',
  ),
  'os-getVNCConsole': impossible(
    'os-remote-consoles',
    'There is no graphical console in this cloud yet: use the console log.',
  ),
  'os-getSPICEConsole': impossible(
    'os-remote-consoles',
    'There is no graphical console in this cloud yet: use the console log.',
  ),
  'os-getSerialConsole': impossible(
    'os-remote-consoles',
    'There is no serial console over the network in this cloud yet: use the console log.',
  ),
})
