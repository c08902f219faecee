// Who tests act as. Written straight into identity's tables, and given real tokens by its own issuing.
import type { App } from '#app'
import { type Tx, sql } from '#lib/db.ts'
import { mintToken } from '#identity'

export type Persona = 'admin' | 'manager' | 'member' | 'reader' | 'other'

const projects = { team: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', other: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' }
const users: Record<Persona, { id: string; project: string; role: string }> = {
  admin: { id: '10000000000000000000000000000000', project: projects.team, role: 'admin' },
  manager: { id: '20000000000000000000000000000000', project: projects.team, role: 'manager' },
  member: { id: '30000000000000000000000000000000', project: projects.team, role: 'member' },
  reader: { id: '40000000000000000000000000000000', project: projects.team, role: 'reader' },
  other: { id: '50000000000000000000000000000000', project: projects.other, role: 'member' },
}

export async function seedPersonas(tx: Tx): Promise<void> {
  for (const [name, id] of Object.entries(projects)) {
    await tx.rows(
      sql`insert into project (id, domain_id, parent_id, name) values (${id}, 'default', 'default', ${name})`,
    )
  }
  for (const [name, { id, project, role }] of Object.entries(users)) {
    await tx.rows(sql`insert into identity_user (id, domain_id, name) values (${id}, 'default', ${`test-${name}`})`)
    await tx.rows(sql`
      insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id)
      select 'user', ${id}, 'project', ${project}, id from role where name = ${role}`)
  }
}

export async function personas(
  app: App,
): Promise<Record<Persona, { token: string; projectId: string; userId: string }>> {
  const made = Object.entries(users).map(async ([name, { id, project }]) => {
    const token = await mintToken(app.tokens, app.world.db, { userId: id, projectId: project, hours: 1 })
    return [name, { token, projectId: project, userId: id }] as const
  })
  return Object.fromEntries(await Promise.all(made)) as Record<
    Persona,
    { token: string; projectId: string; userId: string }
  >
}
