// Short calls for this service's tests.
import assert from 'node:assert/strict'
import type { Answer, TestClient } from '#lib/testing/cloud.ts'

const prefix = '/network/v2.0'
type Body = Record<string, unknown>
// oxlint-disable-next-line typescript/no-explicit-any -- replies are looked into freely; the assertions are the types
export type Thing = any

const plurals: Record<string, string> = {
  network: 'networks',
  subnet: 'subnets',
  port: 'ports',
  router: 'routers',
  floatingip: 'floatingips',
  security_group: 'security-groups',
  security_group_rule: 'security-group-rules',
  subnetpool: 'subnetpools',
  address_scope: 'address-scopes',
  rbac_policy: 'rbac-policies',
}

export const pathOf = (kind: string, id = '') => `${prefix}/${plurals[kind] ?? kind}${id && `/${id}`}`

/** Makes a thing and answers it; fails with the reply's words. */
export async function make(client: TestClient, kind: string, body: Body): Promise<Thing> {
  const answer = await client.post(pathOf(kind), { [kind]: body })
  assert.equal(answer.status, 201, answer.text)
  return answer.json[kind]
}
export async function change(client: TestClient, kind: string, id: string, body: Body): Promise<Thing> {
  const answer = await client.put(pathOf(kind, id), { [kind]: body })
  assert.equal(answer.status, 200, answer.text)
  return answer.json[kind]
}
export async function show(client: TestClient, kind: string, id: string): Promise<Thing> {
  const answer = await client.get(pathOf(kind, id))
  assert.equal(answer.status, 200, answer.text)
  return answer.json[kind]
}
export async function remove(client: TestClient, kind: string, id: string): Promise<void> {
  const answer = await client.delete(pathOf(kind, id))
  assert.equal(answer.status, 204, answer.text)
}

/** A refusal: the status and Neutron's name of it. */
export async function refused(call: Promise<Answer>, status: number, type?: string): Promise<void> {
  const answer = await call
  assert.equal(answer.status, status, answer.text)
  assert.ok(answer.json.NeutronError.message.length > 10)
  if (type !== undefined) assert.equal(answer.json.NeutronError.type, type)
}

export const post = (client: TestClient, kind: string, body: Body) => client.post(pathOf(kind), { [kind]: body })
export const put = (client: TestClient, kind: string, id: string, body: Body) =>
  client.put(pathOf(kind, id), { [kind]: body })

/** A network with one subnet. */
export async function netWith(
  client: TestClient,
  cidr: string,
  more: Body = {},
): Promise<{ network: Thing; subnet: Thing }> {
  const network = await make(client, 'network', { name: 'net' })
  const version = cidr.includes(':') ? 6 : 4
  const subnet = await make(client, 'subnet', { network_id: network.id, ip_version: version, cidr, ...more })
  return { network, subnet }
}

/** The external network on the hosts' physical network `public`. */
export async function externalNet(
  admin: TestClient,
  cidr = '203.0.113.0/24',
): Promise<{ network: Thing; subnet: Thing }> {
  const network = await make(admin, 'network', {
    name: 'public',
    'router:external': true,
    'provider:network_type': 'flat',
    'provider:physical_network': 'public',
  })
  const subnet = await make(admin, 'subnet', { network_id: network.id, ip_version: 4, cidr, enable_dhcp: false })
  return { network, subnet }
}
