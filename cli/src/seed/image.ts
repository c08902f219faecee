import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { request, type Session, upload } from '../cloud/session.ts'
import { stop } from '../trouble.ts'

export interface GuestImage {
  format: 'qcow2' | 'raw'
  sizeBytes: number
  open: () => Readable
}

interface Image {
  id: string
  status: string
}

const imageName = 'tiny'

export async function imageFile(path: string): Promise<GuestImage> {
  const { size } = await stat(path)
  return { format: 'qcow2', sizeBytes: size, open: () => createReadStream(path) }
}

/** A disk of nothing, for simulated hosts: nobody boots it. */
export function blankImage(): GuestImage {
  const sizeBytes = 2 ** 20
  return { format: 'raw', sizeBytes, open: () => Readable.from([Buffer.alloc(sizeBytes)]) }
}

export async function seedImage(session: Session, image: GuestImage): Promise<void> {
  const url = `${session.endpoint('image')}/images`
  const { images } = await request<{ images: Image[] }>(
    session,
    'GET',
    `${url}?name=${imageName}&owner=${session.projectId}`,
  )
  if (images.some(({ status }) => status === 'active')) return
  // One that an earlier run left half uploaded cannot be continued.
  for (const { id } of images) await request(session, 'DELETE', `${url}/${id}`)
  const made = await request<Image>(session, 'POST', url, {
    name: imageName,
    disk_format: image.format,
    container_format: 'bare',
    visibility: 'public',
    min_disk: 1,
    min_ram: 64,
  })
  await upload(session, `${url}/${made.id}/file`, image.open(), image.sizeBytes)
  await untilActive(session, `${url}/${made.id}`)
}

async function untilActive(session: Session, url: string): Promise<void> {
  for (;;) {
    const { status } = await request<Image>(session, 'GET', url)
    if (status === 'active') return
    if (status !== 'queued' && status !== 'saving' && status !== 'importing')
      stop(`The image '${imageName}' was not accepted: its status is '${status}'.`)
    await delay(100)
  }
}
