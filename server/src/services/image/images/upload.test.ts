import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { findImage } from './model.ts'
import { stageImage, uploadImage } from './upload.ts'

test('an image that is deleted while its data comes in leaves no data behind', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pileus-upload-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const cloud = await testCloud(t, { data, logLevel: 'error' })
  const member = cloud.as('member')
  for (const take of [stageImage, uploadImage]) {
    const made = await member.post('/image/v2/images', { name: 'a', disk_format: 'raw', container_format: 'bare' })
    const image = (await findImage(cloud.db, 'local', made.json.id as string))!
    async function* bytes() {
      yield Buffer.alloc(1024)
      assert.equal((await member.delete(`/image/v2/images/${image.id}`)).status, 204)
      yield Buffer.alloc(1024)
    }
    await assert.rejects(take(cloud.app.world, image, Readable.from(bytes())), { kind: 'notFound' })
  }
  assert.deepEqual(await readdir(join(data, 'images')), [])
})
