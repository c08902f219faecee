import assert from 'node:assert/strict'
import { sql } from '#lib/db.ts'
import type { CrashScenario } from '#lib/testing/crash.ts'
import type { TestCloud } from '#lib/testing/cloud.ts'
import { findContainer } from '../containers.ts'
import { objectContainer } from '../model.ts'
import { tell } from './tell.ts'

const whose = { region: 'local', projectId: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }
const box = `/object-store/v1/AUTH_${whose.projectId}/told`

async function begin(cloud: TestCloud): Promise<void> {
  await cloud.as('member').put(box)
  // an address that webhooks may not reach, so that nothing leaves the machine: the step ends by a Fault
  const notification = { targets: [{ id: 't', url: 'http://10.255.255.1/', events: ['ObjectCreated:*'] }] }
  await cloud.db.transaction((tx) => tx.update(objectContainer).set({ notification }))
  const container = await findContainer(cloud.db, whose, 'told')
  await cloud.db.transaction((tx) => tell(tx, container!, { event: 'ObjectCreated:Put', key: 'k', version: 1 }))
}

export const crashScenarios: readonly CrashScenario[] = [
  {
    name: 'somebody is told of an object, and may not be',
    steps: ['bucket.notify/post'],
    begin,
    async check({ db }) {
      const [row] = await db.rows<{ state: string; error: string }>(
        sql`select state, error from task where kind = 'bucket.notify'`,
      )
      assert.equal(row?.state, 'failed')
      assert.match(row.error, /may not reach/)
    },
    async remove(cloud) {
      await cloud.as('member').delete(box)
    },
    async empty(cloud) {
      assert.equal(await findContainer(cloud.db, whose, 'told'), undefined)
    },
  },
]
