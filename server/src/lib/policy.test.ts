import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Actor } from '#lib/actor.ts'
import { idleOverrides, makeEnforcer, parseRule, readOverrides } from '#lib/policy.ts'

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

test("Neutron's checks of a field, of the target or of what it belongs to", () => {
  assert.equal(says('field:networks:shared=True', { shared: true }), true)
  assert.equal(says('field:networks:shared=True', { shared: false }), false)
  assert.equal(says('field:networks:shared=True', { 'network:shared': true }), true)
  assert.equal(says('field:networks:shared=True', {}), false)
  assert.equal(says('not field:rbac_policy:target_tenant=*', { target_tenant: '*' }), false)
  assert.equal(says('field:port:device_owner=~^network:', { device_owner: 'network:dhcp' }), true)
  assert.equal(says('field:port:device_owner=~network:', { device_owner: 'my network:dhcp' }), false)
  assert.throws(() => parseRule('field:networks', 'this'), /policy this/)
  assert.throws(() => parseRule('field:networks:name=~[', 'this'), /policy this/)
})

test('old names of rules mean what the rules became', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = '"things": "rule:mine"\n"things:show": "@"\n"mine": "role:owner"\n"thongs": "@"\n'
  writeFileSync(join(dir, 'image.yaml'), file)
  const defaults = { 'things:list': '@', 'things:show': '!', 'things:add': '!' }
  const renamed = { things: ['things:list', 'things:show'] }
  const overrides = readOverrides(dir, 'image', renamed)
  const enforcer = makeEnforcer(defaults, overrides)
  const owner = actor({ roles: ['owner'] })
  const may = (who: Actor) => Object.keys(defaults).filter((rule) => enforcer.allows(rule, who, {}))
  assert.deepEqual(may(actor()), ['things:show'])
  assert.deepEqual(may(owner), ['things:list', 'things:show'])
  assert.deepEqual(idleOverrides(defaults, overrides, renamed), ['thongs'])
})

test('rules as lists, as files of old have them', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const rules = { all: [], both: [['role:member', 'role:reader'], 'role:admin'], none: [['role:member', 'role:admin']] }
  writeFileSync(join(dir, 'image.json'), JSON.stringify(rules))
  const enforcer = makeEnforcer({}, readOverrides(dir, 'image'))
  assert.deepEqual(
    Object.keys(rules).filter((rule) => enforcer.allows(rule, actor(), {})),
    ['all', 'both'],
  )
  assert.equal(enforcer.allows('both', actor({ roles: ['admin'] }), {}), true)
})

const nine = new Date('2026-11-20T09:30:00Z') // a Friday
const inContext = (rule: string, address = '10.1.2.3', at = nine, target: object = {}, who = actor()) =>
  makeEnforcer({ it: rule })
    .at(() => ({ address, at }))
    .allows('it', who, target as Record<string, unknown>)

test('where a request comes from', () => {
  assert.equal(inContext('ip:10.0.0.0/8'), true)
  assert.equal(inContext('ip:10.0.0.0/8', '11.0.0.1'), false)
  assert.equal(inContext('ip:10.0.0.0/8', '::ffff:10.9.9.9'), true)
  assert.equal(inContext('ip:2001:db8::/32', '2001:db8::7'), true)
  assert.equal(inContext('ip:2001:db8::/32', '2001:db9::7'), false)
  assert.equal(inContext('ip:192.0.2.7 or ip:192.0.2.8', '192.0.2.8'), true)
  assert.equal(inContext('ip:10.0.0.0/8', 'no address'), false)
  assert.equal(says('ip:10.0.0.0/8'), false) // nothing is known of the request
})

test('when a request comes: time of day and day of the week, in a zone, over midnight', () => {
  assert.equal(inContext('time:09:00-10:00'), true)
  assert.equal(inContext('time:09:30-09:31'), true)
  assert.equal(inContext('time:08:00-09:30'), false)
  assert.equal(inContext('time:22:00-10:00'), true)
  assert.equal(inContext('time:22:00-06:00'), false)
  assert.equal(inContext('time:10:00-11:00@Europe/Berlin'), true)
  assert.equal(inContext('weekday:mon-fri'), true)
  assert.equal(inContext('weekday:sat,sun'), false)
  assert.equal(inContext('weekday:thu-mon'), true)
  assert.equal(inContext('weekday:sat@Pacific/Auckland', '::1', new Date('2026-11-20T12:00:00Z')), true)
})

test('how the user signed in, and what the resource is tagged with', () => {
  assert.equal(says('mfa:True'), false)
  assert.equal(says('mfa:True', {}, actor({ methods: ['password'] })), false)
  assert.equal(says('mfa:True', {}, actor({ methods: ['password', 'totp'] })), true)
  assert.equal(says('tag:prod', { tags: ['test', 'prod'] }), true)
  assert.equal(says('tag:prod', { tags: ['production'] }), false)
  assert.equal(says('tag:prod', {}), false)
  assert.equal(says('tag:env=prod', { tags: ['env=prod'] }), true)
  assert.equal(says('tag:env=prod', { tags: { env: 'prod' } }), true)
  assert.equal(says('tag:env', { tags: { env: 'prod' } }), true)
  assert.equal(says('tag:constructor', { tags: {} }), false)
})

test('a condition that cannot be read stops the program', () => {
  for (const bad of [
    'ip:10.0.0.0/33',
    'ip:nowhere',
    'ip:10.0.0.0/8/8',
    'time:9-10',
    'time:25:00-26:00',
    'weekday:fri-yay',
  ])
    assert.throws(() => parseRule(bad, 'this'), /policy this/, bad)
  assert.throws(() => parseRule('time:08:00-09:00@Nowhere/Land', 'this'), /no time zone/)
})

test('a rule that denies wins over what allows, for one rule, for those that begin alike, for all', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-policy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const defaults = { 'server:delete': '@', 'server:list': '@', 'image:list': '@' }
  const read = (text: string) => {
    writeFileSync(join(dir, 'compute.yaml'), text)
    return makeEnforcer(defaults, readOverrides(dir, 'compute'))
  }
  const decided = (enforcer: ReturnType<typeof read>, tags: string[]) =>
    Object.keys(defaults).map((name) => enforcer.allows(name, actor({ roles: ['admin'] }), { tags }))
  const one = read('protected: "tag:keep"\ndeny:\n  "server:delete": [protected]\n')
  assert.deepEqual(decided(one, ['keep']), [false, true, true])
  assert.deepEqual(decided(one, []), [true, true, true])
  assert.deepEqual(decided(read('protected: "tag:keep"\ndeny: {"server:*": [protected]}'), ['keep']), [
    false,
    false,
    true,
  ])
  assert.deepEqual(decided(read('protected: "tag:keep"\ndeny: [protected]'), ['keep']), [false, false, false])
  assert.throws(() => read('deny: [unknown]'), /no rule unknown/)
  assert.throws(() => read('a: "!"\ndeny: {"nothing:*": [a]}'), /no rule nothing/)
  assert.throws(() => read('deny: yes'), /deny is no list/)
})

test('an explanation says by which rule, what is missing, and what denies', () => {
  const enforcer = makeEnforcer(
    {
      owner: 'project_id:%(project_id)s',
      'server:delete': 'role:admin or (role:manager and rule:owner)',
      never: '!',
      abroad: 'not ip:10.0.0.0/8',
    },
    { deny: { 'server:*': ['abroad'] } },
  )
  const ask = (rule: string, target: object, who = actor(), address = '10.0.0.1') =>
    enforcer.explain(rule, who, target as Record<string, unknown>, { address, at: nine })
  const refused = ask('server:delete', { project_id: 'p2' })
  assert.equal(refused.allowed, false)
  assert.equal(refused.text, 'role:admin or (role:manager and rule:owner)')
  assert.deepEqual(refused.missing, [
    ['needs role admin in project p1'],
    ['needs role manager in project p1', 'project_id of the token must be p2, and is p1'],
  ])
  const manager = actor({ roles: ['manager'] })
  assert.deepEqual(ask('server:delete', { project_id: 'p1' }, manager).missing, [])
  assert.equal(ask('server:delete', { project_id: 'p1' }, manager).allowed, true)
  assert.match(ask('server:delete', {}, manager).missing[1]?.[0] ?? '', /the target has no project_id/)
  const denied = ask('server:delete', { project_id: 'p1' }, manager, '192.0.2.1')
  assert.equal(denied.allowed, false)
  assert.deepEqual(denied.deniedBy, [{ rule: 'abroad', text: 'not ip:10.0.0.0/8' }])
  assert.deepEqual(ask('never', {}).missing, [])
  assert.equal(ask('unknown', {}).text, undefined)
})

test('an explanation and a decision agree, whatever the rule', () => {
  const parts = [
    'role:member',
    'role:admin',
    'project_id:%(project_id)s',
    '@',
    '!',
    "'a':%(x)s",
    'not role:reader',
    'tag:t',
  ]
  for (const a of parts)
    for (const b of parts)
      for (const rule of [`${a} and ${b}`, `${a} or ${b}`, `not (${a} or ${b})`]) {
        const enforcer = makeEnforcer({ it: rule })
        for (const target of [{}, { project_id: 'p1', x: 'a', tags: ['t'] }]) {
          const { allowed, missing } = enforcer.explain('it', actor(), target, { address: '::1', at: nine })
          assert.equal(allowed, enforcer.allows('it', actor(), target), rule)
          if (allowed) assert.deepEqual(missing, [])
        }
      }
})
