import assert from 'node:assert/strict'
import type { TestClient, TestCloud } from '#lib/testing/cloud.ts'

/** The member of the other project, who from now on is a service as well. */
export async function asService(cloud: TestCloud): Promise<TestClient> {
  const [admin, other] = [cloud.as('admin'), cloud.as('other')]
  const role = (await admin.get('/identity/v3/roles?name=service')).json.roles[0].id
  const grant = `/identity/v3/projects/${other.projectId}/users/${other.userId}/roles/${role}`
  assert.equal((await admin.put(grant)).status, 204)
  return other
}
