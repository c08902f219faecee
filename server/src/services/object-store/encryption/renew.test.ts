import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { readKeys } from '#lib/key-ring.ts'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { bodies, box, fill, keyVersions, readsAll, rotate, versionsUsed } from './crash.scenarios.ts'

test('old keys go one change of keys later, and only what nothing needs', async (t) => {
  const cloud = await testCloud(t)
  await fill(cloud)
  const anHourAgo = () =>
    cloud.db.transaction(async (tx) => {
      await tx.rows(sql`update object_key_version set retired_at = retired_at - interval '2 hours'`)
      await tx.rows(sql`update secret set created_at = created_at - interval '2 hours' where name = 'object'`)
    })
  await cloud.db.transaction((tx) => tx.rows(sql`create table before as select * from object where name = 'small'`))
  await rotate(cloud)
  await cloud.runTasks()
  assert.deepEqual(await keyVersions(cloud), [1, 2], 'a copy that is under way may still need the first')
  // such a copy: it was read before the change and is written after it
  await cloud.db.transaction((tx) => tx.rows(sql`update before set name = 'late'`))
  await cloud.db.transaction((tx) => tx.rows(sql`insert into object select * from before`))
  assert.equal((await cloud.as('member').get(`${box}/late`)).text, bodies.small)
  await anHourAgo()
  await rotate(cloud)
  await cloud.runTasks()
  assert.deepEqual(await keyVersions(cloud), [2, 3])
  assert.equal((await readKeys(cloud.db, 'object')).length, 2)
  await readsAll(cloud)
  assert.equal((await cloud.as('member').get(`${box}/late`)).text, bodies.small)
  // an operator's change of keys reaches the object store
  const [before] = await readKeys(cloud.db, 'object')
  const admin = cloud.as('admin')
  await admin.put(`/identity/v3/system/users/${admin.userId}/roles/${await roleId(cloud)}`)
  const issued = await admin.post('/identity/v3/auth/tokens', {
    auth: { identity: { methods: ['token'], token: { id: admin.token } }, scope: { system: { all: true } } },
  })
  const done = await admin.post('/identity/v3/keys/rotate', undefined, {
    headers: { 'x-auth-token': issued.headers['x-subject-token']! },
  })
  assert.equal(done.status, 200)
  await cloud.runTasks()
  assert.notEqual((await readKeys(cloud.db, 'object'))[0]!.serial, before!.serial)
  assert.deepEqual(await versionsUsed(cloud), [4])
  await readsAll(cloud)
})

async function roleId(cloud: TestCloud): Promise<string> {
  const { roles } = (await cloud.as('admin').get('/identity/v3/roles?name=admin')).json as { roles: { id: string }[] }
  return roles[0]!.id
}

test('killed while data keys are wrapped anew: the next worker goes on, and everything is readable at any time', async (t) => {
  const cloud = await testCloud(t)
  await fill(cloud)
  // the same few bytes under thirty thousand names
  await cloud.db.transaction((tx) =>
    tx.rows(sql`
      insert into object (container_id, name, version, size, etag, content_type, modified_at, data, sealed)
      select container_id, 'many/' || i, version, size, etag, content_type, modified_at, data, sealed
      from object, generate_series(1, 30000) i where name = 'small'`),
  )
  await rotate(cloud)
  const wrapped = async () => {
    const [row] = await cloud.db.rows<{ n: string }>(
      sql`select count(*) as n from object where name like 'many/%' and sealed->>'keyVersion' = '2'`,
    )
    return Number(row!.n)
  }
  const worker = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { openDatabase } from '#lib/db.ts'
       import { makeLog } from '#lib/log.ts'
       import { readConfig } from '#lib/config.ts'
       import { makeApp } from '#app'
       import { drainTasks } from '#lib/worker.ts'
       const log = makeLog('worker', 'error')
       const app = makeApp(openDatabase(${JSON.stringify(cloud.url)}, log, { connections: 2 }), readConfig({}, { simHosts: 1 }), log)
       process.stdout.write('begins')
       await drainTasks(app.world, {})`,
    ],
    { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(worker.stdout, 'data')
  for (let looks = 0; (await wrapped()) === 0; looks++) assert.ok(looks < 100_000, 'it begins')
  worker.kill('SIGKILL')
  await once(worker, 'exit')
  const done = await wrapped()
  assert.ok(done > 0 && done < 30_000, `killed in the middle: ${done}`)
  const many = async () => {
    for (let i = 1; i <= 30_000; i += 4999) {
      const { text } = await cloud.as('member').get(`${box}/many/${i}`)
      assert.equal(text, bodies.small)
    }
  }
  await many()
  await readsAll(cloud)
  await cloud.db.transaction((tx) =>
    tx.rows(
      sql`update task set state = 'queued', owner = null where kind = 'object-keys.renew' and finished_at is null`,
    ),
  )
  await cloud.runTasks()
  assert.equal(await wrapped(), 30_000)
  await many()
  await readsAll(cloud)
})
