import { createHash } from 'node:crypto'
import type { Tx } from '#lib/db.ts'
import type { Service } from '#lib/http/route.ts'
import { endpoint, region, service } from '../model.ts'

const stableId = (...parts: string[]) => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)

/** Writes down what this program offers in `regionId`; what operators added or changed beside it stays. */
export async function ensureCatalog(
  tx: Tx,
  services: readonly Service[],
  regionId: string,
  ownRegion: boolean,
): Promise<void> {
  await tx.insert(region).values({ id: regionId }).onConflictDoNothing()
  for (const { catalog, regional } of services) {
    if (!regional && !ownRegion) continue
    for (const { type, name, path } of catalog) {
      const serviceId = stableId('service', type)
      await tx.insert(service).values({ id: serviceId, type, name, description: '' }).onConflictDoNothing()
      const url = `$(public_url)s${ownRegion ? '' : `/regions/${encodeURIComponent(regionId)}`}${path}`
      for (const face of ['public', 'internal', 'admin'] as const) {
        const id = stableId('endpoint', type, regionId, face)
        await tx.insert(endpoint).values({ id, serviceId, regionId, interface: face, url }).onConflictDoNothing()
      }
    }
  }
}
