import { randomBytes } from 'node:crypto'
import type { Db, Tx } from '#lib/db.ts'
import { forbidden, invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import type { Viewer } from '#lib/view.ts'
import type { Static } from 'typebox'
import { change } from '../change.ts'
import { listLinks } from '../lists.ts'
import type { Role } from '../model.ts'
import { findGlobalRole, listRolesById, withImplied } from '../roles/model.ts'
import { identityView } from '../shown.ts'
import { keystoneTime, readFutureTime } from '../time.ts'
import type { TokenReader } from '../tokens/resolve.ts'
import { hashPassword } from '../users/password.ts'
import { requireManaging, requireOwnToken } from './managing.ts'
import {
  type AccessRule,
  type ApplicationCredential,
  ensureAccessRule,
  findAccessRule,
  findApplicationCredential,
  getAccessRule,
  insertApplicationCredential,
  listAccessRules,
  listAccessRulesById,
  listApplicationCredentials,
  removeAccessRule,
  removeApplicationCredential,
} from './model.ts'
import { aboutOwner } from './policy.ts'
import { CreateApplicationCredential } from './schema.ts'

type Asked = Static<typeof CreateApplicationCredential>['application_credential']
const path = '/users/:userId/application_credentials'
const owner = async ({ params }: Pick<Request, 'params'>) => params['userId']!

const ruleView = (userId: string) =>
  identityView<AccessRule>(['access_rule', 'access_rules'], `/users/${userId}/access_rules`, {
    service: (r) => r.service,
    method: (r) => r.method,
    path: (r) => r.path,
  })
const ruleItem = ({ id, service, method, path: where }: AccessRule) => ({ id, service, method, path: where })

/** The rows with their roles and rules, which are read for all of them at once. */
async function shown(db: Db, rows: readonly ApplicationCredential[], viewer: Viewer) {
  const roles = new Map((await listRolesById(db, [...new Set(rows.flatMap((r) => r.roleIds))])).map((r) => [r.id, r]))
  const ruleIds = [...new Set(rows.flatMap((r) => r.accessRuleIds ?? []))]
  const rules = new Map((await listAccessRulesById(db, ruleIds)).map((r) => [r.id, r]))
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    project_id: row.projectId,
    user_id: row.userId,
    roles: row.roleIds.flatMap((id) => {
      const found = roles.get(id)
      return found ? [{ id: found.id, name: found.name, domain_id: found.domainId }] : []
    }),
    expires_at: row.expiresAt ? keystoneTime(row.expiresAt.getTime()) : null,
    unrestricted: row.unrestricted,
    ...(row.accessRuleIds && {
      access_rules: row.accessRuleIds.flatMap((id) => {
        const found = rules.get(id)
        return found ? [ruleItem(found)] : []
      }),
    }),
    links: { self: `${viewer.baseUrl}/users/${row.userId}/application_credentials/${row.id}` },
  }))
}

/** The roles asked for and what they imply; without any, those of the token. Throws invalid for one that is not in the token. */
async function rolesFor(db: Db, asked: Asked['roles'], held: readonly { id: string }[]): Promise<string[]> {
  if (!asked || asked.length === 0) return held.map(({ id }) => id)
  const ids = new Set<string>()
  for (const each of asked) {
    const found: Pick<Role, 'id'> | undefined = 'id' in each ? each : await findGlobalRole(db, each.name)
    ids.add(found?.id ?? invalid(`Could not find role ${'name' in each ? each.name : ''}.`))
  }
  const all = await withImplied(db, [...ids])
  const mine = new Set(held.map(({ id }) => id))
  for (const id of all)
    if (!mine.has(id))
      invalid(`Cannot create an application credential with role ${id}, which the token does not have.`)
  return all
}

async function ruleIdsFor(tx: Tx, userId: string, asked: Asked['access_rules']): Promise<string[] | null> {
  if (!asked) return null
  const ids: string[] = []
  for (const each of asked)
    ids.push((await ('id' in each ? getAccessRule(tx, userId, each.id) : ensureAccessRule(tx, userId, each))).id)
  return ids
}

/** A route about one of them; it must be of the user in the path. */
function onOne(method: Method, policy: string, handle: (req: Request, row: ApplicationCredential) => Promise<unknown>) {
  return route({
    method,
    path: `${path}/:id`,
    policy,
    target: async ({ db, params }) => ({ row: await findApplicationCredential(db, params['id']!) }),
    // whose it is counts, not whose the path says it is
    policyTarget: ({ row }, { params }) => aboutOwner(row?.userId ?? params['userId']!),
    async handle(req, { row }) {
      requireOwnToken(req)
      if (!row || row.userId !== req.params['userId']) return notFound('Application credential', req.params['id']!)
      return handle(req, row)
    },
  })
}

export function applicationCredentialRoutes(reader: TokenReader) {
  return [
    route({
      method: 'POST',
      path,
      policy: 'identity:create_application_credential',
      status: 201,
      body: CreateApplicationCredential,
      target: owner,
      policyTarget: aboutOwner,
      async handle(req, userId) {
        const { db, body, view, actor, headers } = req
        requireOwnToken(req)
        requireManaging(req)
        const asked = body.application_credential
        if (actor.userId !== userId) forbidden('Cannot create an application credential for another user.')
        const projectId = actor.projectId ?? invalid('An application credential needs a token of a project.')
        const { roles: held, accessRules } = await reader.read(String(headers['x-auth-token']))
        const roleIds = await rolesFor(db, asked.roles, held)
        // one that is bound to rules cannot make one that is not
        if (accessRules && !asked.access_rules)
          forbidden('This application credential has access rules: what it makes must have some too.')
        const secret = asked.secret || randomBytes(64).toString('base64url')
        const secretHash = await hashPassword(secret)
        const row = await change(db, async (tx) =>
          insertApplicationCredential(tx, {
            userId,
            projectId,
            name: asked.name,
            description: asked.description ?? null,
            secretHash,
            roleIds,
            unrestricted: asked.unrestricted ?? false,
            accessRuleIds: await ruleIdsFor(tx, userId, asked.access_rules),
            expiresAt: asked.expires_at ? readFutureTime(asked.expires_at, 'expires_at') : null,
          }),
        )
        const [made] = await shown(db, [row], view)
        return { application_credential: { ...made, secret } }
      },
    }),
    route({
      method: 'GET',
      path,
      policy: 'identity:list_application_credentials',
      target: owner,
      policyTarget: aboutOwner,
      async handle(req, userId) {
        requireOwnToken(req)
        const rows = await listApplicationCredentials(req.db, userId, one(req.query, 'name'))
        return { application_credentials: await shown(req.db, rows, req.view), ...listLinks(req) }
      },
    }),
    onOne('GET', 'identity:get_application_credential', async ({ db, view }, row) => {
      const [item] = await shown(db, [row], view)
      return { application_credential: item }
    }),
    onOne('DELETE', 'identity:delete_application_credential', async (req, row) => {
      requireManaging(req)
      await change(req.db, (tx) => removeApplicationCredential(tx, row))
      return reply({ status: 204 })
    }),
    route({
      method: 'GET',
      path: '/users/:userId/access_rules',
      policy: 'identity:list_access_rules',
      target: owner,
      policyTarget: aboutOwner,
      async handle(req, userId) {
        const rows = await listAccessRules(req.db, userId)
        const wanted = (row: AccessRule) =>
          (['service', 'method', 'path'] as const).every(
            (field) => (one(req.query, field) ?? row[field]) === row[field],
          )
        return ruleView(userId).list(rows.filter(wanted), req)
      },
    }),
    route({
      method: 'GET',
      path: '/users/:userId/access_rules/:id',
      policy: 'identity:get_access_rule',
      target: owner,
      policyTarget: aboutOwner,
      handle: async ({ db, params, view }, userId) =>
        ruleView(userId).show(await getAccessRule(db, userId, params['id']!), view),
    }),
    route({
      method: 'DELETE',
      path: '/users/:userId/access_rules/:id',
      policy: 'identity:delete_access_rule',
      target: owner,
      policyTarget: aboutOwner,
      async handle(req, userId) {
        requireManaging(req)
        const id = req.params['id']!
        const row = (await findAccessRule(req.db, userId, id)) ?? notFound('Access rule', id)
        await change(req.db, (tx) => removeAccessRule(tx, row))
      },
    }),
  ]
}
