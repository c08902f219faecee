// GET /info: what this store can do, in Swift's words.
import type { World } from '#lib/world.ts'
import { mostFailures } from './bulk.ts'
import { mostDeletes } from './bulk-delete.ts'
import { mostContainers } from './extract.ts'
import { listLimit } from './lists.ts'
import { limits } from './metadata.ts'
import { mostBytes } from './object-put.ts'
import { manifestBytes } from './slo.ts'
import { digests } from './temp-url.ts'
import { shownPolicies } from './storage-policies.ts'

export function swiftInfo(world: Pick<World, 'config' | 'log'>): Record<string, unknown> {
  return {
    swift: {
      max_file_size: mostBytes,
      max_meta_name_length: limits.name,
      max_meta_value_length: limits.value,
      max_meta_count: limits.count,
      max_meta_overall_size: limits.overall,
      max_header_size: 8192,
      max_object_name_length: 1024,
      max_container_name_length: 256,
      max_account_name_length: 256,
      container_listing_limit: listLimit,
      account_listing_limit: listLimit,
      strict_cors_mode: true,
      allow_account_management: false,
      account_autocreate: true,
      policies: shownPolicies(world),
    },
    account_quotas: {},
    bulk_delete: { max_deletes_per_request: mostDeletes, max_failed_deletes: mostFailures },
    bulk_upload: { max_containers_per_extraction: mostContainers, max_failed_extractions: mostFailures },
    container_quotas: {},
    cors: {},
    crossdomain: {},
    dlo: {},
    formpost: { allowed_digests: [...digests] },
    object_versioning: {},
    slo: { max_manifest_segments: 1000, max_manifest_size: manifestBytes, min_segment_size: 1 },
    staticweb: {},
    symlink: { symloop_max: 2, static_links: true },
    tempurl: { methods: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'], allowed_digests: [...digests] },
    versioned_writes: { allowed_flags: ['x-versions-location', 'x-history-location'] },
  }
}
