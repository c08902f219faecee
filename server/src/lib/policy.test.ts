import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Actor } from '#lib/actor.ts'
import { makeEnforcer, parseRule, readOverrides } from '#lib/policy.ts'

const actor = (more: Partial<Actor> = {}): Actor => ({
  userId: 'u1',
  userName: 'ann',
  userDomainId: 'd1',
  projectId: 'p1',
  projectName: 'team',
  projectDomainId: 'd1',
  domainId: null,
  system: false,
  roles: ['member', 'reader'],
  isAdmin: false,
  trustId: null,
  applicationCredentialId: null,
  ...more,
})
const says = (rule: string, target: object = {}, who = actor(), more: Record<string, string> = {}) =>
  makeEnforcer({ ...more, it: rule }).allows('it', who, target as Record<string, unknown>)

test('the language of oslo.policy', () => {
  assert.equal(says(''), true)
  assert.equal(says('@'), true)
  assert.equal(says('!'), false)
  assert.equal(says('role:member'), true)
  assert.equal(says('role:MEMBER'), true)
  assert.equal(says('not role:member'), false)
  assert.equal(says('role:admin or role:reader and role:member'), true)
  assert.equal(says('(role:admin or role:reader) and not role:member'), false)
  assert.equal(says('project_id:%(project_id)s', { project_id: 'p1' }), true)
  assert.equal(says('project_id:%(project_id)s', { project_id: 'p2' }), false)
  assert.equal(says('user_id:%(target.user.id)s', { target: { user: { id: 'u1' } } }), true)
  assert.equal(says('user_id:%(target.user.id)s', { target: {} }), false)
  const unscoped = actor({ projectId: null })
  assert.equal(says('project_id:%(project_id)s', { project_id: null }, unscoped), false)
  assert.equal(says('project_id:None', {}, unscoped), true)
  assert.equal(says("'shared':%(visibility)s", { visibility: 'shared' }), true)
  assert.equal(says('None:%(owner)s', { owner: null }), true)
  assert.equal(says('True:%(enabled)s', { enabled: true }), true)
  assert.equal(says('is_admin:True', {}, actor({ isAdmin: true, roles: ['admin'] })), true)
  assert.equal(says('system_scope:all', {}, actor({ system: true })), true)
  assert.equal(says('system_scope:all'), false)
  assert.equal(says('rule:other', {}, actor(), { other: 'role:reader' }), true)
  assert.equal(says('rule:nowhere'), false)
})

test('a missing attribute allows nothing, also when the actor has none', () => {
  assert.equal(says('project_id:%(project_id)s', {}, actor({ projectId: null })), false)
  assert.equal(says('domain_id:%(domain_id)s', {}, actor()), false)
})

test('a rule that cannot be read stops the program with its name', () => {
  for (const bad of ['role', '(role:a', 'role:a role:b', 'and role:a', 'http://x', 'role:a or'])
    assert.throws(() => parseRule(bad, 'this'), /policy this/, bad)
})

test("an operator's policy.yaml replaces single rules", (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'image.yaml'), '"add_image": "role:uploader"\n# a comment\n')
  const enforcer = makeEnforcer({ add_image: '@', get_image: '@' }, readOverrides(dir, 'image'))
  assert.equal(enforcer.allows('add_image', actor(), {}), false)
  assert.equal(enforcer.allows('get_image', actor(), {}), true)
  assert.deepEqual(readOverrides(dir, 'compute'), {})
})
