import assert from 'node:assert/strict'
import { sql } from '#lib/db.ts'
import type { CrashScenario } from '#lib/testing/crash.ts'
import type { TestCloud } from '#lib/testing/cloud.ts'
import { rotateObjectKeys } from './renew.ts'

const projectId = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
export const box = `/object-store/v1/AUTH_${projectId}/box`
export const bodies = { small: 'a little', big: 'x'.repeat(100_000), older: 'was there before' }

export async function fill(cloud: TestCloud): Promise<void> {
  const member = cloud.as('member')
  await member.put(box)
  await cloud.db.transaction((tx) => tx.rows(sql`update object_container set encryption = '{"mode": "sse-s3"}'`))
  await member.post(box, undefined, { headers: { 'x-versions-enabled': 'true' } })
  for (const [name, body] of Object.entries(bodies)) await member.put(`${box}/${name}`, undefined, { raw: body })
  await member.put(`${box}/older`, undefined, { raw: 'is there now' })
}

/** The versions of keys that data keys are wrapped under: of objects and of older versions of objects. */
export async function versionsUsed(cloud: TestCloud): Promise<number[]> {
  const rows = await cloud.db.rows<{ v: number }>(sql`
    select distinct (sealed->>'keyVersion')::int as v from
      (select sealed from object union all select sealed from object_version) each where sealed is not null order by v`)
  return rows.map(({ v }) => v)
}
export async function keyVersions(cloud: TestCloud): Promise<number[]> {
  const rows = await cloud.db.rows<{ version: number }>(sql`select version from object_key_version order by version`)
  return rows.map(({ version }) => version)
}
export async function readsAll(cloud: TestCloud): Promise<void> {
  const member = cloud.as('member')
  for (const [name, body] of Object.entries({ ...bodies, older: 'is there now' }))
    assert.equal((await member.get(`${box}/${name}`)).text, body)
  const { json } = await member.get(`${box}?versions&format=json&prefix=older`)
  const listed = (json as { version_id: string }[]).map((each) => each.version_id)
  const texts = await Promise.all(listed.map(async (v) => (await member.get(`${box}/older?version-id=${v}`)).text))
  assert.deepEqual(texts.toSorted(), ['is there now', bodies.older])
}
export const rotate = (cloud: TestCloud) => cloud.db.transaction((tx) => rotateObjectKeys(tx, 'local'))

export const crashScenarios: readonly CrashScenario[] = [
  {
    name: 'a change of keys',
    steps: ['addVersions', 'sealVersions', 'wrapUploads', 'wrapDataKeys', 'retire'].map(
      (step) => `object-keys.renew/${step}`,
    ),
    async begin(cloud) {
      await fill(cloud)
      await rotate(cloud)
    },
    async check(cloud) {
      await readsAll(cloud)
      assert.deepEqual(await versionsUsed(cloud), [2])
      const [left] = await cloud.db.rows<{ n: string }>(sql`select count(*) as n from object_key_renewal`)
      assert.equal(Number(left!.n), 0)
    },
    async remove(cloud) {
      await rotate(cloud)
      await rotate(cloud)
    },
    async empty(cloud) {
      await readsAll(cloud)
      assert.deepEqual(await versionsUsed(cloud), [3], 'two changes at once are one')
    },
  },
]
