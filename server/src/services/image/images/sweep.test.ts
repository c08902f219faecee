import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { sweepImages } from './sweep.ts'

const v2 = '/image/v2/images'

test('what a killed upload leaves is cleared, and the image takes data again; what lives stays', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'pileus-sweep-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const cloud = await testCloud(t, { data })
  const member = cloud.as('member')
  const images = join(data, 'images')
  mkdirSync(images)
  const old = new Date(Date.now() - 3_600_000)
  const leave = (name: string, at: Date) => {
    writeFileSync(join(images, name), 'bytes')
    utimesSync(join(images, name), at, at)
  }
  // an image in the state that a process leaves which dies at that point: the row says `saving`, the file is as named
  const dead = async (name: string, file: string, at: Date) => {
    const { id } = (await member.post(v2, { name, disk_format: 'raw', container_format: 'bare' })).json as {
      id: string
    }
    await cloud.db.transaction((tx) =>
      tx.rows(
        sql`update image set status = 'saving', file = ${file}, updated_at = ${old.toISOString()}::timestamptz where id = ${id}`,
      ),
    )
    leave(file === 'renamed' ? file : `${file}.part`, at)
    return id
  }
  const amid = await dead('killed amid the stream', 'amid', old)
  const renamed = await dead('killed behind the rename', 'renamed', old)
  const living = await dead('still sending', 'living', new Date())
  leave('nobodys', old)
  leave('fresh', new Date())

  await sweepImages(cloud.app.world, 60_000)

  const status = async (id: string) => (await member.get(`${v2}/${id}`)).json.status as string
  assert.deepEqual([await status(amid), await status(renamed), await status(living)], ['queued', 'queued', 'saving'])
  assert.deepEqual(readdirSync(images).toSorted(), ['fresh', 'living.part'])
  assert.equal((await member.put(`${v2}/${amid}/file`, undefined, { raw: Buffer.from('again') })).status, 204)
  assert.equal(await status(amid), 'active')
})
