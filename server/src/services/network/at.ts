import type { World } from '#lib/world.ts'

/** Where something happens: a request and a task's run are both one. */
export interface At {
  readonly world: World
  readonly region: string
}

/** Who asks, as far as the network's rules want to know. */
export interface Asker {
  projectId: string
  isAdmin: boolean
}
