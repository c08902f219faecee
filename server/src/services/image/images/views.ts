import { isoSeconds } from '#lib/db.ts'
import { view, type Viewer } from '#lib/view.ts'
import type { Task } from '#lib/task.ts'
import type { Image } from './model.ts'

// Where the data of every image lies; /info/stores says more.
const theStore = 'disk'

const fields = view<Image>(['image', 'images'], {
  id: (i) => i.id,
  name: (i) => i.name,
  status: (i) => i.status,
  visibility: (i) => i.visibility,
  owner: (i) => i.projectId,
  protected: (i) => i.protected,
  os_hidden: (i) => i.hidden,
  container_format: (i) => i.containerFormat,
  disk_format: (i) => i.diskFormat,
  size: (i) => i.size,
  virtual_size: (i) => i.virtualSize,
  checksum: (i) => i.checksum,
  os_hash_algo: (i) => (i.sha512 === null ? null : 'sha512'),
  os_hash_value: (i) => i.sha512,
  min_disk: (i) => i.minDisk,
  min_ram: (i) => i.minRam,
  tags: (i) => i.tags,
  stores: (i) => (i.status === 'active' || i.status === 'deactivated' ? theStore : undefined),
  created_at: (i) => isoSeconds(i.createdAt),
  updated_at: (i) => isoSeconds(i.updatedAt),
  self: (i) => `/v2/images/${i.id}`,
  file: (i) => `/v2/images/${i.id}/file`,
  schema: () => '/v2/schemas/image',
})

/** Custom properties stand beside the others, as Glance shows them. */
export function showImage(image: Image, viewer: Viewer): Record<string, unknown> {
  return { ...image.properties, ...fields.item(image, viewer) }
}

const importStatus = {
  queued: 'pending',
  running: 'processing',
  done: 'success',
  failed: 'failure',
  cancelled: 'failure',
} as const

/** An import as Glance's task API shows it. */
export function showImport(task: Task) {
  const imageId = String(task.input['imageId'])
  return {
    id: task.id,
    type: 'api_image_import',
    status: importStatus[task.state],
    image_id: imageId,
    owner: task.projectId,
    user_id: task.userId,
    request_id: task.requestId,
    input: { image_id: imageId, import_req: { method: { name: 'glance-direct' } } },
    message: task.error ?? '',
    result: null,
    created_at: isoSeconds(task.createdAt),
    updated_at: isoSeconds(task.finishedAt ?? task.createdAt),
    expires_at: null,
  }
}
