// What compute's tests begin with: a cloud with hosts, a flavor, an image and a network.
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { Config } from '#lib/config.ts'
import { sql } from '#lib/db.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'

const claimCount = sql`select (select count(*) from allocation)::int + (select coalesce(sum(used), 0) from inventory)::int as n`

export interface ComputeCloud extends TestCloud {
  flavorId: string
  imageId: string
  networkId: string
}

/** A test cloud with hosts announced and all that a server of the member needs. */
export async function computeCloud(t: Pick<TestContext, 'after'>, config: Partial<Config> = {}): Promise<ComputeCloud> {
  return furnish(await testCloud(t, config))
}

export async function furnish(cloud: TestCloud): Promise<ComputeCloud> {
  await cloud.app.start()
  const admin = cloud.as('admin')
  const flavor = { name: 'tiny', ram: 128, vcpus: 1, disk: 1, id: '1' }
  assert.equal((await admin.post('/compute/v2.1/flavors', { flavor })).status, 200)
  const image = { name: 'tiny', disk_format: 'raw', container_format: 'bare', visibility: 'public' }
  const made = await admin.post('/image/v2/images', image)
  assert.equal(made.status, 201, made.text)
  const imageId: string = made.json.id
  const put = await admin.put(`/image/v2/images/${imageId}/file`, undefined, { raw: Buffer.alloc(1024) })
  assert.equal(put.status, 204, put.text)
  const member = cloud.as('member')
  const network = await member.post('/network/v2.0/networks', { network: { name: 'private' } })
  assert.equal(network.status, 201, network.text)
  const networkId: string = network.json.network.id
  const subnet = { network_id: networkId, ip_version: 4, cidr: '10.9.0.0/24' }
  assert.equal((await member.post('/network/v2.0/subnets', { subnet })).status, 201)
  return Object.assign(cloud, { flavorId: '1', imageId, networkId })
}

/** The body of a POST /servers that works; `more` is laid over it. */
export function serverBody(cloud: ComputeCloud, more: Record<string, unknown> = {}) {
  const { flavorId, imageId, networkId } = cloud
  return {
    server: { name: 'web', flavorRef: flavorId, imageRef: imageId, networks: [{ uuid: networkId }], ...more },
  }
}

/** Nothing is left that a server had: no claim, no port, no machine. */
export async function emptyWorld(cloud: ComputeCloud): Promise<void> {
  const admin = cloud.as('admin')
  const { servers } = (await admin.get('/compute/v2.1/servers?all_tenants=1')).json
  assert.deepEqual(servers, [])
  const { ports } = (await admin.get('/network/v2.0/ports')).json
  assert.deepEqual(
    ports.filter((port: { device_owner: string }) => port.device_owner.startsWith('compute:')),
    [],
  )
  assert.deepEqual(await cloud.app.sim?.machines(), [])
  const [claims] = await cloud.db.rows<{ n: number }>(claimCount)
  assert.equal(claims?.n, 0)
}

/** A server of the member's, built; returns its id. */
export async function makeServer(cloud: ComputeCloud, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await cloud.as('member').post('/compute/v2.1/servers', serverBody(cloud, more))
  assert.equal(answer.status, 202, answer.text)
  await cloud.runTasks()
  return answer.json.server.id as string
}
