// The life of an image's data: in by upload (or by stage and import), out by download, away with the image.
import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { and, type Db, desc, eq, type Tx } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { done, next, startTask, type Task, task, taskTable } from '#lib/task.ts'
import type { World } from '#lib/world.ts'
import { requireDeclared } from '../format.ts'
import { ensureNoImageFile, putImage } from '../store.ts'
import { enterStatus, type Image, removeImage, updateImage } from './model.ts'

type Origin = { projectId: string | null; userId: string | null; requestId: string | null; region: string }

/** Takes the bytes; the image is active when this returns, and as it was before when it throws. */
export async function uploadImage(world: World, found: Image, data: Readable): Promise<Image> {
  return receive(world, found, data, 'saving', 'active')
}

/** Takes the bytes for a later import. */
export async function stageImage(world: World, found: Image, data: Readable): Promise<Image> {
  return receive(world, found, data, 'uploading', 'uploading')
}

async function receive(
  world: World,
  found: Image,
  data: Readable,
  during: 'saving' | 'uploading',
  into: 'active' | 'uploading',
): Promise<Image> {
  const file = `${found.id}.${newId()}`
  // the row names the file from the beginning: so what a killed process leaves can be found (sweep.ts)
  await world.db.transaction((tx) => enterStatus(tx, found.id, during, { file }))
  try {
    const stored = await putImage(world.config, file, data, (bytes) => requireDeclared(found.diskFormat, bytes))
    const facts = {
      file,
      size: stored.size,
      virtualSize:
        stored.found.virtualSize ?? (found.diskFormat === 'raw' || found.diskFormat === 'iso' ? stored.size : null),
      checksum: stored.checksum,
      sha512: stored.sha512,
      foundFormat: stored.found.format,
    }
    return await world.db.transaction((tx) =>
      into === 'active' ? enterStatus(tx, found.id, 'active', facts) : updateImage(tx, found.id, facts),
    )
  } catch (error) {
    await ensureNoImageFile(world.config, file)
    await world.db
      .transaction((tx) => enterStatus(tx, found.id, 'queued', { file: null }))
      .catch((cause: unknown) =>
        world.log.warn({ err: cause, image: found.id }, 'the image was gone when its upload failed'),
      )
    throw error
  }
}

/** Makes the staged data the image's (the glance-direct import). */
export async function importStaged(tx: Tx, found: Image, origin: Origin): Promise<string> {
  await enterStatus(tx, found.id, 'importing')
  return startTask(tx, imageImport, { imageId: found.id }, { ...origin, key: `image:${found.id}` })
}

const ImageInput = Type.Object({ imageId: Type.String() })

export const imageImport = task({
  kind: 'image.import',
  input: ImageInput,
  deadline: '1h',
  steps: {
    async publish({ input }) {
      return done((tx) => enterStatus(tx, input.imageId, 'active'))
    },
  },
  failed: (tx, { imageId }) => enterStatus(tx, imageId, 'queued', { file: null }).catch(() => undefined),
})

/** The imports of an image, newest first. */
export async function importsOf(db: Db, imageId: string): Promise<Task[]> {
  return db
    .select()
    .from(taskTable)
    .where(and(eq(taskTable.key, `image:${imageId}`), eq(taskTable.kind, imageImport.kind)))
    .orderBy(desc(taskTable.createdAt))
}

/** The image is gone when this commits; its data soon after. Throws forbidden for a protected one. */
export async function deleteImage(tx: Tx, id: string, origin: Origin): Promise<void> {
  const { file } = await removeImage(tx, id)
  if (file) await startTask(tx, imagePurge, { file }, { ...origin, key: `image-file:${file}` })
}

export const imagePurge = task({
  kind: 'image.purge',
  input: Type.Object({ file: Type.String() }),
  deadline: '24h',
  steps: {
    async remove({ world, input }) {
      await ensureNoImageFile(world.config, input.file)
      return next()
    },
  },
  failed: async () => {},
})
