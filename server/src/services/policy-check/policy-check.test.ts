import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

const check = '/policy-check?rule='

test('may I, by which rule, and what is missing', async (t) => {
  const cloud = await testCloud(t)
  const own = (await cloud.as('member').get(`${check}delete_network`)).json
  assert.equal(own.allowed, true)
  assert.equal(own.service, 'network')
  assert.ok(own.rule.text.length > 0)
  const { projectId } = cloud.as('other')
  const foreign = (await cloud.as('member').get(`${check}delete_network&target.project_id=${projectId}`)).json
  assert.equal(foreign.allowed, false)
  assert.ok(foreign.missing.length > 0)
  assert.ok(JSON.stringify(foreign.missing).includes(projectId))
  const reader = (await cloud.as('reader').get(`${check}create_network`)).json
  assert.equal(reader.allowed, false)
  assert.ok(reader.missing.flat().some((each: string) => /needs role member/.test(each)))
})

test('admins may ask about others, nobody else may', async (t) => {
  const cloud = await testCloud(t)
  const reader = cloud.as('reader')
  const about = `${check}create_network&user_id=${reader.userId}&project_id=${reader.projectId}`
  assert.equal((await cloud.as('member').get(about)).status, 403)
  const answer = (await cloud.as('admin').get(about)).json
  assert.deepEqual([answer.allowed, answer.actor.user_id], [false, reader.userId])
  const elsewhere = `${check}create_network&user_id=${reader.userId}&project_id=${cloud.as('other').projectId}`
  assert.match((await cloud.as('admin').get(elsewhere)).json.error.message, /no role in the project/)
})

test('what cannot be asked is told', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  for (const wrong of [
    '/policy-check',
    `${check}nothing`,
    `${check}nothing&service=network`,
    `${check}create_network&service=nothing`,
    `${check}create_network&at=never`,
    `${check}create_network&nonsense=1`,
  ])
    assert.equal((await member.get(wrong)).status, 400, wrong)
  assert.equal((await cloud.as('stranger').get(`${check}create_network`)).status, 401)
})

test("an operator's conditions decide requests, and the check agrees", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(
    join(dir, 'network.yaml'),
    [
      'protected: "tag:keep"',
      'abroad: "not ip:127.0.0.0/8"',
      'deny:',
      '  delete_network: [protected]',
      '  "*": [abroad]',
    ].join('\n'),
  )
  const cloud = await testCloud(t, { policyDir: dir })
  const member = cloud.as('member')
  const networks = '/network/v2.0/networks'
  const { id } = (await member.post(networks, { network: { name: 'n' } })).json.network
  assert.equal((await member.put(`${networks}/${id}/tags/keep`)).status, 201)
  assert.equal((await member.delete(`${networks}/${id}`)).status, 403)
  assert.equal((await cloud.as('admin').delete(`${networks}/${id}`)).status, 403)
  const answer = (await member.get(`${check}delete_network&target.project_id=${member.projectId}&target.tags=keep`))
    .json
  assert.deepEqual(answer.denied_by, [{ rule: 'protected', text: 'tag:keep' }])
  const abroad = (await member.get(`${check}get_network&address=192.0.2.1`)).json
  assert.deepEqual(abroad.denied_by, [{ rule: 'abroad', text: 'not ip:127.0.0.0/8' }])
  assert.equal((await member.delete(`${networks}/${id}/tags/keep`)).status, 204)
  assert.equal((await member.delete(`${networks}/${id}`)).status, 204)
})
