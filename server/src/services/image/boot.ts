// What compute needs to know of an image before a machine can be made of it.
import type { Readable } from 'node:stream'
import type { Actor } from '#lib/actor.ts'
import type { Db } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { findImage, getVisibleImage } from './images/model.ts'
import { openImageFile } from './store.ts'

export interface BootImage {
  id: string
  name: string
  minDiskGb: number
  minRamMb: number
  sizeBytes: number
  virtualSizeBytes: number
  /** What a hypervisor opens it as. */
  format: 'raw' | 'qcow2'
  sha512: string
  kernelId: string | undefined
  ramdiskId: string | undefined
  properties: Readonly<Record<string, string>>
}

/** An image that this actor may boot from. Throws notFound, or invalid with the reason why it cannot be booted. */
export async function getBootImage(
  db: Db,
  region: string,
  id: string,
  actor: Pick<Actor, 'projectId' | 'isAdmin'>,
): Promise<BootImage> {
  const image = await getVisibleImage(db, region, id, actor)
  if (image.status !== 'active') invalid(`Image ${id} is not active: it is ${image.status}.`)
  if (image.file === null || image.sha512 === null || image.size === null) invalid(`Image ${id} has no data.`)
  const declared = image.diskFormat ?? 'none'
  if (!['raw', 'qcow2', 'iso', 'ami', 'aki', 'ari'].includes(declared))
    invalid(`Image ${id} has the disk format ${declared}; the hosts of this region boot raw, iso and qcow2.`)
  if (declared === 'qcow2' && image.foundFormat !== 'qcow2')
    invalid(`Image ${id} is unacceptable: it was declared as qcow2, but its contents are not.`)
  const { kernel_id: kernelId, ramdisk_id: ramdiskId } = image.properties
  return {
    id: image.id,
    name: image.name ?? '',
    minDiskGb: image.minDisk,
    minRamMb: image.minRam,
    sizeBytes: image.size,
    virtualSizeBytes: image.virtualSize ?? image.size,
    format: declared === 'qcow2' ? 'qcow2' : 'raw',
    sha512: image.sha512,
    kernelId: kernelId || undefined,
    ramdiskId: ramdiskId || undefined,
    properties: image.properties,
  }
}

/** The bytes of an image for a host, whoever owns it. Throws notFound. */
export async function openImage(
  world: World,
  region: string,
  id: string,
): Promise<{ data: Readable; sizeBytes: number } | undefined> {
  const image = await findImage(world.db, region, id)
  if (!image || image.file === null || image.size === null) return undefined
  return { data: await openImageFile(world.config, image.file), sizeBytes: image.size }
}
