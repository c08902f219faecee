// The network document of a host: compiled from what the network service says, and a new generation when it differs.
import { createHash } from 'node:crypto'
import type { HostNetwork } from '@pileus/contract/agent.ts'
import { sql, type Tx } from '#lib/db.ts'
import { generationAfter } from './model.ts'

/** The same for documents that mean the same: the order of a query's rows does not count. */
export function networkHash(document: HostNetwork): string {
  const byId = <Thing extends { id: string }>(things: readonly Thing[]) =>
    things.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const ordered = {
    networks: byId(document.networks).map((network) => ({
      ...network,
      subnets: byId(network.subnets),
      remote: network.remote.toSorted((a, b) => (a.mac < b.mac ? -1 : 1)),
    })),
    ports: byId(document.ports),
    routers: byId(document.routers),
    groups: Object.entries(document.groups)
      .map(([group, addresses]) => [group, addresses.toSorted()])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  }
  return createHash('sha256').update(JSON.stringify(ordered)).digest('base64url')
}

/** Writes it down as the host's wish. The caller holds the host's session. */
export async function putNetwork(
  tx: Tx,
  host: { id: string; region: string },
  document: HostNetwork,
  hash: string,
): Promise<void> {
  const text = JSON.stringify(document)
  await tx.rows(sql`
    insert into kvm_object (host_id, region, kind, id, generation, spec, spec_hash)
    values (${host.id}, ${host.region}, 'network', 'host', ${generationAfter(sql`0`)}, ${text}::text::jsonb, ${hash})
    on conflict (host_id, kind, id) do update set generation = ${generationAfter(sql`kvm_object.generation`)},
      spec = excluded.spec, spec_hash = excluded.spec_hash
    where kvm_object.spec_hash <> excluded.spec_hash`)
}
