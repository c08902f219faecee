// Swift's storage policies are the storage classes, by the same names but for the one that everything has by default.
import type { World } from '#lib/world.ts'
import { storageClasses } from '../backends.ts'
import { standard } from '../model.ts'
import { refuse } from './answer.ts'

const defaultPolicy = 'Policy-0'

export function policyOf(storageClass: string | null): string {
  return storageClass === null || storageClass === standard ? defaultPolicy : storageClass
}

/** As `/info` shows them. */
export function shownPolicies(world: Pick<World, 'config' | 'log'>): Record<string, unknown>[] {
  return storageClasses(world).map((each) => {
    const name = policyOf(each)
    return each === standard ? { name, aliases: `${name}, ${standard}`, default: true } : { name, aliases: name }
  })
}

/** The class that X-Storage-Policy names; undefined without one. */
export function readPolicy(world: World, named: string | undefined): string | undefined {
  if (!named) return undefined
  const asked = named.toLowerCase()
  const classes = storageClasses(world)
  const found = classes.find((each) => each.toLowerCase() === asked || policyOf(each).toLowerCase() === asked)
  return found ?? refuse(400, `Invalid X-Storage-Policy '${named}'; there is ${classes.map(policyOf).join(', ')}.`)
}
