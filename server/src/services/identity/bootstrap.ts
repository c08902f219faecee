import { type Tx } from '#lib/db.ts'
import type { Service } from '#lib/http/route.ts'
import { newHexId } from '#lib/id.ts'
import { ensureCatalog } from './catalog/ensure.ts'
import { impliedRole, password, project, role, roleAssignment, user } from './model.ts'
import { ensureKey } from '#lib/key-ring.ts'
import { hashPassword } from './users/password.ts'

const rootDomain = 'default'

/**
 * What every cloud has from its first start: the domain Default, the project admin, the user admin with every role on
 * project, domain and system, the standard roles, a token key and the catalogue. Repeating it changes nothing that is
 * there; a password is set only for a user admin that is new.
 */
export async function bootstrap(
  transaction: <Result>(work: (tx: Tx) => Promise<Result>) => Promise<Result>,
  options: { services: readonly Service[]; region: string; adminPassword: string },
): Promise<void> {
  const hash = options.adminPassword ? await hashPassword(options.adminPassword) : undefined
  await transaction(async (tx) => {
    await ensureKey(tx, 'token')
    await ensureKey(tx, 'credential')
    await tx
      .insert(project)
      .values({ id: rootDomain, name: 'Default', isDomain: true, description: 'The default domain' })
      .onConflictDoNothing()
    await tx
      .insert(project)
      .values({
        id: newHexId(),
        domainId: rootDomain,
        parentId: rootDomain,
        name: 'admin',
        description: 'The operators',
      })
      .onConflictDoNothing()
    for (const name of ['admin', 'manager', 'member', 'reader', 'service'])
      await tx.insert(role).values({ id: newHexId(), name }).onConflictDoNothing()
    const roles = new Map(
      (await tx.select().from(role)).filter((each) => each.domainId === null).map((each) => [each.name, each.id]),
    )
    for (const [prior, implied] of [
      ['admin', 'manager'],
      ['manager', 'member'],
      ['member', 'reader'],
    ] as const) {
      await tx
        .insert(impliedRole)
        .values({ priorRoleId: roles.get(prior)!, impliedRoleId: roles.get(implied)! })
        .onConflictDoNothing()
    }
    if (hash) {
      const [made] = await tx
        .insert(user)
        .values({ id: newHexId(), domainId: rootDomain, name: 'admin' })
        .onConflictDoNothing()
        .returning()
      if (made) {
        await tx.insert(password).values({ userId: made.id, hash })
        const [adminProject] = (await tx.select().from(project)).filter(
          (each) => each.name === 'admin' && each.domainId === rootDomain,
        )
        const targets = [
          ['project', adminProject!.id] as const,
          ['domain', rootDomain] as const,
          ['system', ''] as const,
        ]
        for (const [targetKind, targetId] of targets) {
          await tx
            .insert(roleAssignment)
            .values({ actorKind: 'user', actorId: made.id, targetKind, targetId, roleId: roles.get('admin')! })
        }
      }
    }
    await ensureCatalog(tx, options.services, options.region, true)
  })
}
