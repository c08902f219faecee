import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineSpec } from '../../../clouds/testing.ts'
import { newId } from '#lib/id.ts'
import { allocationsOf, place } from '#placement'
import { testCloud } from '#lib/testing/cloud.ts'
import { listHosts } from '../hosts/model.ts'
import { furnish, serverBody } from '../testing/compute.ts'
import { releaseOrphans, removeOrphanMachines } from './orphans.ts'

test('a claim that was made behind the deletion of its server is given back, others are not', async (t) => {
  const cloud = await furnish(await testCloud(t))
  const member = cloud.as('member')
  const create = async () => (await member.post('/compute/v2.1/servers', serverBody(cloud))).json.server.id as string
  const [living, deleted] = [await create(), await create()]
  await cloud.runTasks()
  assert.equal((await member.delete(`/compute/v2.1/servers/${deleted}`)).status, 204)
  await cloud.runTasks()
  const never = newId()
  // what a worker that stood still does when it goes on
  const late = (consumerId: string) =>
    place(cloud.app.world, {
      region: 'local',
      consumerId,
      projectId: member.projectId,
      userId: member.userId,
      resources: { VCPU: 1, MEMORY_MB: 64 },
    })
  await Promise.all([late(deleted), late(never)])
  assert.deepEqual(await releaseOrphans(cloud.db, 'local'), [], 'what is new is left alone')
  assert.deepEqual(await releaseOrphans(cloud.db, 'local', 0), [deleted, never].toSorted())
  assert.deepEqual([...(await allocationsOf(cloud.db, [living, deleted, never])).keys()], [living])
})

test('a machine that was asked for behind the deletion of its server is removed, others are not', async (t) => {
  const cloud = await furnish(await testCloud(t))
  const { compute } = cloud.app.world.drivers('local')
  const member = cloud.as('member')
  const create = async () => (await member.post('/compute/v2.1/servers', serverBody(cloud))).json.server.id as string
  const [living, deleted] = [await create(), await create()]
  await cloud.runTasks()
  const machines = async () => (await compute.listMachines(0)).toSorted()
  assert.deepEqual(await machines(), [living, deleted].toSorted())
  const [host] = await listHosts(cloud.db, 'local')
  assert.equal((await member.delete(`/compute/v2.1/servers/${deleted}`)).status, 204)
  await cloud.runTasks()
  assert.deepEqual(await machines(), [living])
  const never = newId()
  const { signal } = new AbortController()
  // what a worker that stood still does when it goes on
  for (const id of [deleted, never]) await compute.ensureMachine(host?.name ?? '', machineSpec({ id }), signal)
  assert.deepEqual(await removeOrphanMachines(cloud.db, compute, 'local', signal), [], 'what is new is left alone')
  assert.deepEqual(await removeOrphanMachines(cloud.db, compute, 'local', signal, 0), [deleted, never].toSorted())
  assert.deepEqual(await machines(), [living])
})
