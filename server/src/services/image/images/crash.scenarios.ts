import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CrashScenario } from '#lib/testing/crash.ts'
import type { TestCloud } from '#lib/testing/cloud.ts'

const images = '/image/v2/images'
const id = '11111111-2222-4333-8444-555555555555'

async function make(cloud: TestCloud): Promise<void> {
  const asked = { id, name: 'tiny', disk_format: 'raw', container_format: 'bare' }
  assert.equal((await cloud.as('member').post(images, asked)).status, 201)
}

async function isGone(cloud: TestCloud): Promise<void> {
  assert.deepEqual((await cloud.as('member').get(images)).json.images, [])
  // every cloud of the tests keeps its files in one folder: only this image's are looked for
  const files = readdirSync(join(cloud.app.world.config.data, 'images'))
  assert.deepEqual(
    files.filter((file) => file.startsWith(id)),
    [],
  )
}

export const crashScenarios: readonly CrashScenario[] = [
  {
    name: 'staged data becomes the image',
    steps: ['image.import/publish'],
    async begin(cloud) {
      const member = cloud.as('member')
      await make(cloud)
      assert.equal((await member.put(`${images}/${id}/stage`, undefined, { raw: Buffer.from('data') })).status, 204)
      assert.equal((await member.post(`${images}/${id}/import`, { method: { name: 'web-download' } })).status, 400)
      assert.equal((await member.post(`${images}/${id}/import`, { method: { name: 'glance-direct' } })).status, 202)
    },
    async check(cloud) {
      const { json } = await cloud.as('member').get(`${images}/${id}`)
      assert.deepEqual([json.status, json.size], ['active', 4])
    },
    async remove(cloud) {
      assert.equal((await cloud.as('member').delete(`${images}/${id}`)).status, 204)
    },
    empty: isGone,
  },
  {
    name: 'the data of an image goes with it',
    steps: ['image.purge/remove'],
    async begin(cloud) {
      const member = cloud.as('member')
      await make(cloud)
      assert.equal((await member.put(`${images}/${id}/file`, undefined, { raw: Buffer.from('data') })).status, 204)
      assert.equal((await member.delete(`${images}/${id}`)).status, 204)
    },
    check: isGone,
    async remove(cloud) {
      assert.equal((await cloud.as('member').delete(`${images}/${id}`)).status, 404)
    },
    empty: isGone,
  },
]
