import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

const v2 = '/image/v2'

test("rules of an operator's file for Glance work as they are", async (t) => {
  const policyDir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(policyDir, { recursive: true }))
  const rules = {
    add_image: "role:manager and 'private':%(visibility)s or rule:context_is_admin",
    download_image: "role:member and ('public':%(visibility)s or project_id:%(owner)s)",
    get_members: 'role:reader and project_id:%(member_id)s',
    modify_member: 'rule:context_is_admin',
    metadef_admin: 'role:manager',
    get_metadef_namespace: "'public':%(visibility)s or role:manager",
    remove_metadef_property: '!',
  }
  const lines = Object.entries(rules).map(([name, text]) => `"${name}": "${text}"`)
  writeFileSync(join(policyDir, 'image.yaml'), lines.join('\n'))
  const cloud = await testCloud(t, { policyDir })
  const [admin, manager, member, other] = [
    cloud.as('admin'),
    cloud.as('manager'),
    cloud.as('member'),
    cloud.as('other'),
  ]
  assert.equal((await manager.post(`${v2}/images`, {})).status, 403)
  assert.equal((await manager.post(`${v2}/images`, { visibility: 'private' })).status, 201)
  const made = await admin.post(`${v2}/images`, { owner: member.projectId, visibility: 'shared' })
  const at = `${v2}/images/${made.json.id}`
  assert.equal((await admin.post(`${at}/members`, { member: other.projectId })).status, 200)
  assert.equal((await member.get(`${at}/members`)).status, 403)
  assert.equal((await other.get(`${at}/members`)).json.members.length, 1)
  assert.equal((await other.get(`${at}/file`)).status, 403)
  assert.equal((await member.get(`${at}/file`)).status, 204)
  const mine = `${at}/members/${other.projectId}`
  assert.equal((await other.put(mine, { status: 'accepted' })).status, 403)
  const namespaces = `${v2}/metadefs/namespaces`
  const space = { namespace: 'team', visibility: 'private', properties: { size: { title: 'S', type: 'string' } } }
  assert.equal((await member.post(namespaces, space)).status, 403)
  assert.equal((await manager.post(namespaces, space)).status, 201)
  assert.equal((await member.get(`${namespaces}/team`)).status, 403)
  assert.equal((await manager.delete(`${namespaces}/team/properties/size`)).status, 403)
})

test('an image is made for others by an administrator only, and offered ones are taken by those they are for', async (t) => {
  const cloud = await testCloud(t)
  const [member, other] = [cloud.as('member'), cloud.as('other')]
  assert.equal((await member.post(`${v2}/images`, { owner: other.projectId })).status, 403)
  assert.equal((await member.post(`${v2}/images`, { owner: member.projectId })).status, 201)
  const made = await cloud.as('admin').post(`${v2}/images`, { owner: other.projectId })
  assert.deepEqual([made.status, made.json.owner], [201, other.projectId])
  const mine = `${v2}/images/${made.json.id}/members/${member.projectId}`
  assert.equal((await other.post(`${v2}/images/${made.json.id}/members`, { member: member.projectId })).status, 200)
  assert.equal((await cloud.as('reader').get(mine)).status, 200)
  assert.equal((await cloud.as('reader').put(mine, { status: 'accepted' })).status, 403)
  assert.equal((await other.put(mine, { status: 'accepted' })).status, 403)
  assert.equal((await member.put(mine, { status: 'accepted' })).status, 200)
})
