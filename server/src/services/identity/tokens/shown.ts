import type { World } from '#lib/world.ts'
import { readCatalog, readServiceProviders } from '../catalog/model.ts'
import type { ResolvedToken } from './resolve.ts'
import { tokenView } from './views.ts'

/** The body that shows a token, as `nocatalog` asks for it or not. */
export async function showToken(world: World, resolved: ResolvedToken, wantsCatalog = true) {
  return tokenView(resolved, {
    catalog: wantsCatalog ? await readCatalog(world, resolved.actor) : undefined,
    serviceProviders: await readServiceProviders(world),
  })
}
