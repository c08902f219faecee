import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ComputeCloud, computeCloud, emptyWorld, makeServer, serverBody } from '../testing/compute.ts'

const show = async (cloud: ComputeCloud, id: string) =>
  (await cloud.as('admin').version('compute 2.96').get(`/compute/v2.1/servers/${id}`)).json.server
async function act(cloud: ComputeCloud, id: string, body: Record<string, unknown>, status = 202) {
  const answer = await cloud.as('member').post(`/compute/v2.1/servers/${id}/action`, body)
  assert.equal(answer.status, status, answer.text)
  return answer
}

test('a server goes through all that its owner can do with it', async (t) => {
  const cloud = await computeCloud(t)
  const id = await makeServer(cloud)
  const rounds: [body: Record<string, unknown>, meanwhile: string, then: string][] = [
    [{ 'os-stop': null }, 'ACTIVE/powering-off', 'SHUTOFF/4'],
    [{ 'os-start': null }, 'SHUTOFF/powering-on', 'ACTIVE/1'],
    [{ reboot: { type: 'SOFT' } }, 'REBOOT/rebooting', 'ACTIVE/1'],
    [{ reboot: { type: 'HARD' } }, 'HARD_REBOOT/rebooting_hard', 'ACTIVE/1'],
    [{ pause: null }, 'ACTIVE/pausing', 'PAUSED/3'],
    [{ unpause: null }, 'PAUSED/unpausing', 'ACTIVE/1'],
    [{ suspend: null }, 'ACTIVE/suspending', 'SUSPENDED/4'],
    [{ resume: null }, 'SUSPENDED/resuming', 'ACTIVE/1'],
    [{ rebuild: { imageRef: cloud.imageId, name: 'again' } }, 'REBUILD/rebuilding', 'ACTIVE/1'],
  ]
  for (const [body, meanwhile, then] of rounds) {
    await act(cloud, id, body)
    const during = await show(cloud, id)
    assert.equal(`${during.status}/${during['OS-EXT-STS:task_state']}`, meanwhile)
    await act(cloud, id, { 'os-stop': null }, 409)
    await cloud.runTasks()
    const after = await show(cloud, id)
    assert.equal(`${after.status}/${after['OS-EXT-STS:power_state']}`, then, JSON.stringify(after.fault))
  }
  assert.equal((await show(cloud, id)).name, 'again')
  const { instanceActions } = (await cloud.as('member').get(`/compute/v2.1/servers/${id}/os-instance-actions`)).json
  assert.deepEqual(
    instanceActions.map((each: { action: string }) => each.action),
    ['rebuild', 'resume', 'suspend', 'unpause', 'pause', 'reboot', 'reboot', 'start', 'stop', 'create'],
  )
  const { output } = (await act(cloud, id, { 'os-getConsoleOutput': { length: 5 } }, 200)).json
  assert.ok(output.split('\n').length <= 6 && output.length > 0)
  const diagnostics = await cloud.as('admin').version('compute 2.48').get(`/compute/v2.1/servers/${id}/diagnostics`)
  assert.deepEqual([diagnostics.status, diagnostics.json.num_cpus], [200, 1])
})

test('wrong moments and wrong words are told apart', async (t) => {
  const cloud = await computeCloud(t)
  const id = await makeServer(cloud)
  await act(cloud, id, { 'os-start': null }, 409)
  await act(cloud, id, { unpause: null }, 409)
  await act(cloud, id, { reboot: {} }, 400)
  await act(cloud, id, { reboot: { type: 'GENTLE' } }, 400)
  await act(cloud, id, { fly: null }, 400)
  await act(cloud, id, { 'os-stop': null, 'os-start': null }, 400)
  await act(cloud, id, { resize: { flavorRef: '1' } }, 400)
  await act(cloud, id, { changePassword: { adminPass: 'x' } }, 400)
  await act(cloud, id, { rebuild: { imageRef: '00000000-0000-0000-0000-000000000000' } }, 400)
  await act(cloud, id, { 'os-resetState': { state: 'error' } }, 403)
  const other = await cloud.as('other').post(`/compute/v2.1/servers/${id}/action`, { 'os-stop': null })
  assert.equal(other.status, 404)
  const reader = await cloud.as('reader').post(`/compute/v2.1/servers/${id}/action`, { 'os-stop': null })
  assert.equal(reader.status, 403)
  const stranger = await cloud.as('stranger').get(`/compute/v2.1/servers/${id}`)
  assert.equal(stranger.status, 401)
})

test('a locked server stays as it is until it is unlocked', async (t) => {
  const cloud = await computeCloud(t)
  const id = await makeServer(cloud)
  const member = cloud.as('member').version('compute 2.73')
  const lock = { lock: { locked_reason: 'do not touch' } }
  assert.equal((await member.post(`/compute/v2.1/servers/${id}/action`, lock)).status, 202)
  const { server } = (await member.get(`/compute/v2.1/servers/${id}`)).json
  assert.deepEqual([server.locked, server.locked_reason], [true, 'do not touch'])
  await act(cloud, id, { 'os-stop': null }, 409)
  assert.equal((await member.delete(`/compute/v2.1/servers/${id}`)).status, 409)
  await act(cloud, id, { unlock: null })
  await act(cloud, id, { 'os-stop': null })
})

test('what hosts tell of a machine reaches its server', async (t) => {
  const cloud = await computeCloud(t)
  const id = await makeServer(cloud)
  await cloud.app.sim!.guestEnds(id, 'shutdown')
  await cloud.runTasks()
  assert.equal((await show(cloud, id)).status, 'SHUTOFF')
  await act(cloud, id, { 'os-start': null })
  await cloud.runTasks()
  await cloud.app.sim!.guestEnds(id, 'crashed')
  const { status, fault } = await show(cloud, id)
  assert.equal(status, 'ERROR')
  assert.match(fault.message, /ended unexpectedly/)
  await act(cloud, id, { reboot: { type: 'HARD' } })
  await cloud.runTasks()
  assert.equal((await show(cloud, id)).status, 'ACTIVE')
})

test('a machine that its host refuses puts the server in error, and deleting it leaves nothing', async (t) => {
  const cloud = await computeCloud(t)
  const answer = await cloud.as('member').post('/compute/v2.1/servers', serverBody(cloud))
  const { id } = answer.json.server
  cloud.app.sim!.failures.refuse(id, 'The image is not bootable.')
  await cloud.runTasks()
  const { status, fault } = await show(cloud, id)
  assert.deepEqual([status, fault.message], ['ERROR', 'The image is not bootable.'])
  assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
  await cloud.runTasks()
  await emptyWorld(cloud)
})
