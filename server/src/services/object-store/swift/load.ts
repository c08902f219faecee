// What most requests look at first: the container and what the account says about itself, and the object that is named.
import { and, type Db, eq, perDatabase, sql } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import { findAccount, type Whose } from '../containers.ts'
import { type Container, objectAccount, objectContainer, storedObject, type StoredObject } from '../model.ts'
import { live } from '../store/read.ts'

export interface State {
  container: Container | undefined
  accountMetadata: Record<string, string>
  /** The object that a GET or HEAD names, as it is now. */
  object?: StoredObject | undefined
}

const { placeholder } = sql
const ofAccount = and(
  eq(objectAccount.region, objectContainer.region),
  eq(objectAccount.projectId, objectContainer.projectId),
)
const named = and(
  eq(objectContainer.region, placeholder('region')),
  eq(objectContainer.projectId, placeholder('projectId')),
  eq(objectContainer.name, placeholder('container')),
)
const statements = perDatabase((db: Db) => ({
  container: db
    .select({ container: objectContainer, metadata: objectAccount.metadata })
    .from(objectContainer)
    .leftJoin(objectAccount, ofAccount)
    .where(named)
    .prepare('swift_container'),
  object: db
    .select({ container: objectContainer, metadata: objectAccount.metadata, object: storedObject })
    .from(objectContainer)
    .leftJoin(objectAccount, ofAccount)
    .leftJoin(
      storedObject,
      and(eq(storedObject.containerId, objectContainer.id), eq(storedObject.name, placeholder('name')), live),
    )
    .where(named)
    .prepare('swift_object'),
}))

/** One query in the usual case. */
export async function loadState(world: World, whose: Whose, container: string | undefined): Promise<State> {
  if (container === undefined) return withoutContainer(world, whose)
  const [row] = await statements(world.db).container.execute({ ...whose, container })
  return row ? { container: row.container, accountMetadata: row.metadata ?? {} } : withoutContainer(world, whose)
}

/** The same together with the object as it is now, in one query. */
export async function loadObject(world: World, whose: Whose, container: string, name: string): Promise<State> {
  const [row] = await statements(world.db).object.execute({ ...whose, container, name })
  if (!row) return withoutContainer(world, whose)
  return { container: row.container, accountMetadata: row.metadata ?? {}, object: row.object ?? undefined }
}

async function withoutContainer(world: World, whose: Whose): Promise<State> {
  return { container: undefined, accountMetadata: (await findAccount(world.db, whose))?.metadata ?? {} }
}
