// One family of paths for each kind of actor, target and inheritance: who has which role where, one grant at a time.
import { notFound } from '#lib/fault.ts'
import { type Method, type Request, reply, type Route, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { findDomain } from '../domains/model.ts'
import { findGroup } from '../groups/model.ts'
import type { Group, Project, Role } from '../model.ts'
import { findProject } from '../projects/model.ts'
import { findRole } from '../roles/model.ts'
import { roleView } from '../roles/views.ts'
import { findUser, type UserRow } from '../users/model.ts'
import { type Grant, hasGrant, insertGrant, listGranted, removeGrant } from './model.ts'

type ActorKind = Grant['actorKind']
type TargetKind = Grant['targetKind']
interface Family {
  actorKind: ActorKind
  targetKind: TargetKind
  inherited: boolean
}
interface Named {
  actor: UserRow | Group | undefined
  target: Project | undefined
  role: Role | undefined
}

async function load({ actorKind, targetKind }: Family, { db, params }: Pick<Request, 'db' | 'params'>): Promise<Named> {
  const { actorId = '', targetId = '', roleId } = params
  return {
    actor: await (actorKind === 'user' ? findUser(db, actorId) : findGroup(db, actorId)),
    target:
      targetKind === 'system'
        ? undefined
        : await (targetKind === 'project' ? findProject(db, targetId) : findDomain(db, targetId)),
    role: roleId === undefined ? undefined : await findRole(db, roleId),
  }
}

function about({ actorKind, targetKind }: Family, { actor, target, role }: Named): Record<string, unknown> {
  return {
    target: {
      ...(actor && { [actorKind]: { id: actor.id, domain_id: actor.domainId } }),
      ...(target &&
        targetKind === 'project' && {
          project: { id: target.id, ...(target.domainId !== null && { domain_id: target.domainId }) },
        }),
      ...(target && targetKind === 'domain' && { domain: { id: target.id } }),
      ...(role && { role: { id: role.id, name: role.name, domain_id: role.domainId } }),
    },
  }
}

const title = { user: 'User', group: 'Group', project: 'Project', domain: 'Domain', system: 'System' } as const

function grantOf(family: Family, { params }: Pick<Request, 'params'>): Grant {
  return {
    ...family,
    actorId: params['actorId']!,
    targetId: params['targetId'] ?? '',
    roleId: params['roleId'] ?? '',
  }
}

function familyRoutes(family: Family): Route[] {
  const { actorKind, targetKind, inherited } = family
  const where = targetKind === 'system' ? '/system' : `/${targetKind}s/:targetId`
  const roles = `${inherited ? '/OS-INHERIT' : ''}${where}/${actorKind}s/:actorId/roles`
  const ending = inherited ? '/inherited_to_projects' : ''
  const rule = (verb: string) =>
    targetKind === 'system'
      ? `identity:${verb}_system_grant${verb === 'list' ? 's' : ''}_for_${actorKind}`
      : `identity:${verb}_grant${verb === 'list' ? 's' : ''}`

  const requireAll = (req: Pick<Request, 'params'>, named: Named, wants: { actor: boolean }) => {
    const { params } = req
    if (params['roleId'] !== undefined && !named.role) notFound('Role', params['roleId'])
    if (wants.actor && !named.actor) notFound(title[actorKind], params['actorId']!)
    if (targetKind !== 'system' && !named.target) notFound(title[targetKind], params['targetId']!)
  }
  const onOne = (method: Method, verb: string, handle: (req: Request, named: Named) => Promise<void>) =>
    route({
      method,
      path: `${roles}/:roleId${ending}`,
      policy: rule(verb),
      target: (req) => load(family, req),
      policyTarget: (named) => about(family, named),
      async handle(req, named) {
        await handle(req, named)
        return reply({ status: 204 })
      },
    })
  const check = async (req: Request, named: Named) => {
    requireAll(req, named, { actor: true })
    if (!(await hasGrant(req.db, grantOf(family, req)))) noGrant(req)
  }
  const noGrant = (req: Pick<Request, 'params'>): never =>
    notFound('Role assignment', `of role ${req.params['roleId']!} to ${actorKind} ${req.params['actorId']!}`)
  return [
    onOne('PUT', 'create', async (req, named) => {
      requireAll(req, named, { actor: true })
      await change(req.db, (tx) => insertGrant(tx, grantOf(family, req), { role: named.role!, target: named.target }))
    }),
    onOne('HEAD', 'check', check),
    onOne('GET', 'check', check),
    onOne('DELETE', 'revoke', async (req, named) => {
      // the actor may be gone already: what was given to it can still be taken
      requireAll(req, named, { actor: false })
      if (!(await change(req.db, (tx) => removeGrant(tx, grantOf(family, req))))) noGrant(req)
    }),
    route({
      method: 'GET',
      path: `${roles}${ending}`,
      policy: rule('list'),
      target: (req) => load(family, req),
      policyTarget: (named) => about(family, named),
      async handle(req, named) {
        requireAll(req, named, { actor: true })
        return roleView.list(await listGranted(req.db, grantOf(family, req)), req)
      },
    }),
  ]
}

const actorKinds = ['user', 'group'] as const
export const grantRoutes: Route[] = actorKinds.flatMap((actorKind) => [
  ...familyRoutes({ actorKind, targetKind: 'system', inherited: false }),
  ...(['project', 'domain'] as const).flatMap((targetKind) =>
    [false, true].flatMap((inherited) => familyRoutes({ actorKind, targetKind, inherited })),
  ),
])
