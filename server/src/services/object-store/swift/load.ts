// What most requests look at first: the container and what the account says about itself.
import { and, eq } from '#lib/db.ts'
import { type Container, objectAccount, objectContainer } from '../model.ts'
import type { Whose } from '../containers.ts'
import { findAccount } from '../containers.ts'
import type { World } from '#lib/world.ts'

export interface State {
  container: Container | undefined
  accountMetadata: Record<string, string>
}

/** One query in the usual case. */
export async function loadState(world: World, whose: Whose, container: string | undefined): Promise<State> {
  if (container !== undefined) {
    const [row] = await world.db
      .select({ container: objectContainer, metadata: objectAccount.metadata })
      .from(objectContainer)
      .leftJoin(
        objectAccount,
        and(eq(objectAccount.region, objectContainer.region), eq(objectAccount.projectId, objectContainer.projectId)),
      )
      .where(
        and(
          eq(objectContainer.region, whose.region),
          eq(objectContainer.projectId, whose.projectId),
          eq(objectContainer.name, container),
        ),
      )
      .limit(1)
    if (row) return { container: row.container, accountMetadata: row.metadata ?? {} }
  }
  return { container: undefined, accountMetadata: (await findAccount(world.db, whose))?.metadata ?? {} }
}
