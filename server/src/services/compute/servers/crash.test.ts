import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashAfterEveryStep, type TestCloud } from '#lib/testing/cloud.ts'
import { type ComputeCloud, emptyWorld, furnish, serverBody } from '../testing/compute.ts'

interface Made {
  cloud: ComputeCloud
  id: string
}

/** A scenario that begins with a server on its way or built, and ends with none. */
function scenario(work: (made: Made) => Promise<void>, status: string, built = true) {
  const servers = new WeakMap<TestCloud, Made>()
  return {
    async begin(bare: TestCloud) {
      const cloud = await furnish(bare)
      const answer = await cloud.as('member').post('/compute/v2.1/servers', serverBody(cloud))
      assert.equal(answer.status, 202, answer.text)
      const made = { cloud, id: answer.json.server.id as string }
      servers.set(bare, made)
      if (built) await cloud.runTasks()
      await work(made)
    },
    async check(bare: TestCloud) {
      const { cloud, id } = servers.get(bare)!
      const { json } = await cloud.as('member').get(`/compute/v2.1/servers/${id}`)
      if (status === 'gone') return assert.equal(json.itemNotFound.code, 404)
      assert.equal(json.server.status, status, JSON.stringify(json.server.fault))
    },
    async remove(bare: TestCloud) {
      const { cloud, id } = servers.get(bare)!
      const { status: code } = await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)
      assert.equal(code, status === 'gone' ? 404 : 204)
    },
    empty: (bare: TestCloud) => emptyWorld(servers.get(bare)!.cloud),
    failCall(bare: TestCloud, n: number) {
      // building it is one outside call, working on it another one
      if (n > (built ? 1 : 0)) return false
      bare.app.sim!.failures.failCall(n)
      return true
    },
  }
}
const act = async ({ cloud, id }: Made, body: Record<string, unknown>) => {
  const answer = await cloud.as('member').post(`/compute/v2.1/servers/${id}/action`, body)
  assert.equal(answer.status, 202, answer.text)
}

test('creating survives a crash after every step', (t) =>
  crashAfterEveryStep(
    t,
    scenario(async () => {}, 'ACTIVE', false),
  ))
test('a change survives a crash after every step', (t) =>
  crashAfterEveryStep(
    t,
    scenario((made) => act(made, { 'os-stop': null }), 'SHUTOFF'),
  ))
test('deleting survives a crash after every step', (t) =>
  crashAfterEveryStep(
    t,
    scenario(async ({ cloud, id }) => {
      assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
    }, 'gone'),
  ))
test('deleting in mid-creation leaves nothing', (t) =>
  crashAfterEveryStep(
    t,
    scenario(
      async ({ cloud, id }) => {
        assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
      },
      'gone',
      false,
    ),
  ))

test('attaching a port survives a crash after every step', (t) =>
  crashAfterEveryStep(
    t,
    scenario(async ({ cloud, id }) => {
      const body = { interfaceAttachment: { net_id: cloud.networkId } }
      assert.equal((await cloud.as('member').post(`/compute/v2.1/servers/${id}/os-interface`, body)).status, 200)
    }, 'ACTIVE'),
  ))
test('detaching a port survives a crash after every step', (t) =>
  crashAfterEveryStep(
    t,
    scenario(async ({ cloud, id }) => {
      const at = `/compute/v2.1/servers/${id}/os-interface`
      const [nic] = (await cloud.as('member').get(at)).json.interfaceAttachments
      assert.equal((await cloud.as('member').delete(`${at}/${nic.port_id}`)).status, 202)
    }, 'ACTIVE'),
  ))
