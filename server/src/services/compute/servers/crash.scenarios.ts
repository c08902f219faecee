import assert from 'node:assert/strict'
import type { CrashScenario } from '#lib/testing/crash.ts'
import type { TestCloud } from '#lib/testing/cloud.ts'
import { type ComputeCloud, emptyWorld, furnish, serverBody } from '../testing/compute.ts'

interface Made {
  cloud: ComputeCloud
  id: string
}

/** A scenario that begins with a server on its way or built, and ends with none. */
function scenario(
  name: string,
  steps: readonly string[],
  work: (made: Made) => Promise<void>,
  status: string,
  built = true,
): CrashScenario {
  const servers = new WeakMap<TestCloud, Made>()
  return {
    name,
    steps,
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
      bare.sim.failures.failCall(n)
      return true
    },
  }
}
const act = async ({ cloud, id }: Made, body: Record<string, unknown>) => {
  const answer = await cloud.as('member').post(`/compute/v2.1/servers/${id}/action`, body)
  assert.equal(answer.status, 202, answer.text)
}
const attach = async ({ cloud, id }: Made) => {
  const body = { interfaceAttachment: { net_id: cloud.networkId } }
  assert.equal((await cloud.as('member').post(`/compute/v2.1/servers/${id}/os-interface`, body)).status, 200)
}

export const crashScenarios: readonly CrashScenario[] = [
  scenario('a server is made', ['server.create/place', 'server.create/build'], async () => {}, 'ACTIVE', false),
  scenario('a server changes', ['server.apply/apply'], (made) => act(made, { 'os-stop': null }), 'SHUTOFF'),
  scenario(
    'a server goes',
    ['server.delete/remove'],
    async ({ cloud, id }) => {
      assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
    },
    'gone',
  ),
  scenario(
    'a server goes before it is there',
    ['server.delete/remove'],
    async ({ cloud, id }) => {
      assert.equal((await cloud.as('member').delete(`/compute/v2.1/servers/${id}`)).status, 204)
    },
    'gone',
    false,
  ),
  scenario('a port comes to a server', ['server.interface/plug'], attach, 'ACTIVE'),
  scenario(
    'a port that the host refuses is taken back',
    ['server.interface/plug', 'server.interface/putBack', 'server.interface/tell'],
    async (made) => {
      made.cloud.sim.failures.refuse(made.id, 'There is no room for another port.')
      await attach(made)
    },
    'ACTIVE',
  ),
  scenario(
    'a port of a server is deleted behind its back',
    ['server.lose_port/takeTurn', 'server.interface/plug'],
    async ({ cloud, id }) => {
      const [nic] = (await cloud.as('member').get(`/compute/v2.1/servers/${id}/os-interface`)).json.interfaceAttachments
      assert.equal((await cloud.as('member').delete(`/network/v2.0/ports/${nic.port_id}`)).status, 204)
    },
    'ACTIVE',
  ),
  scenario(
    'a port leaves a server',
    ['server.interface/plug'],
    async ({ cloud, id }) => {
      const at = `/compute/v2.1/servers/${id}/os-interface`
      const [nic] = (await cloud.as('member').get(at)).json.interfaceAttachments
      assert.equal((await cloud.as('member').delete(`${at}/${nic.port_id}`)).status, 202)
    },
    'ACTIVE',
  ),
]
