import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Attributes, evaluate, type Mapped } from './engine.ts'
import { parseMapping } from './rules.ts'

const asserted: Attributes = new Map([
  ['UserName', ['jsmith']],
  ['FirstName', ['Jane']],
  ['LastName', ['Smith']],
  ['Email', ['jane@example.com']],
  ['orgPersonType', ['Employee']],
  ['groups', ['Developers', 'OpsTeam', 'Finance']],
  ['empty', ['']],
])

function run(rules: unknown[], attributes = asserted, version = '1.0') {
  const mapping = parseMapping(rules, version)
  if (typeof mapping === 'string') return assert.fail(mapping)
  return evaluate(mapping, attributes)
}
function mapped(...args: Parameters<typeof run>): Mapped {
  const result = run(...args)
  return 'why' in result ? assert.fail(result.why) : result
}
const unmapped = (...args: Parameters<typeof run>): string => {
  const result = run(...args)
  return 'why' in result ? result.why : assert.fail('somebody came of it')
}
const jane = { user: { name: '{0}' } }
const userName = { type: 'UserName' }
const home = { id: 'abc1234' }

test('numbers stand for what was matched, in the order of the matches', () => {
  const { user, groupNames } = mapped([
    {
      local: [{ user: { name: '{0} {1}', email: '{2}' }, group: { name: '{3}', domain: home } }],
      remote: [{ type: 'FirstName' }, { type: 'LastName' }, { type: 'Email' }, { type: 'groups' }],
    },
  ])
  assert.deepEqual(user, {
    type: 'ephemeral',
    id: undefined,
    name: 'Jane Smith',
    email: 'jane@example.com',
    domain: undefined,
  })
  assert.deepEqual(
    groupNames,
    ['Developers', 'OpsTeam', 'Finance'].map((name) => ({ name, domain: home })),
  )
})

test('conditions take no number: any_one_of and not_any_of only decide', () => {
  const rule = (condition: object) => [
    { local: [{ user: { name: '{0}' } }], remote: [{ type: 'orgPersonType', ...condition }, userName] },
  ]
  assert.equal(mapped(rule({ any_one_of: ['Contractor', 'Employee'] })).user.name, 'jsmith')
  assert.match(unmapped(rule({ any_one_of: ['Contractor'] })), /No rule/)
  assert.match(unmapped(rule({ any_one_of: [] })), /No rule/)
  assert.equal(mapped(rule({ not_any_of: ['Contractor'] })).user.name, 'jsmith')
  assert.match(unmapped(rule({ not_any_of: ['Contractor', 'Employee'] })), /No rule/)
  assert.equal(mapped(rule({ any_one_of: ['^Emp'], regex: true })).user.name, 'jsmith')
  assert.match(unmapped(rule({ any_one_of: ['^mp'], regex: true })), /No rule/)
  assert.match(unmapped(rule({ not_any_of: ['loye'], regex: true })), /No rule/)
  // without regex the text is itself
  assert.match(unmapped(rule({ any_one_of: ['^Emp'] })), /No rule/)
})

test('an attribute that is not there keeps the rule from applying, whatever is asked of it', () => {
  for (const condition of [{}, { not_any_of: ['x'] }, { blacklist: ['x'] }, { whitelist: ['x'] }])
    assert.match(unmapped([{ local: [jane], remote: [userName, { type: 'absent', ...condition }] }]), /No rule/)
  assert.equal(mapped([{ local: [jane], remote: [userName, { type: 'empty' }] }]).user.name, 'jsmith')
})

test('whitelist and blacklist leave some of the values', () => {
  const groups = (condition: object) =>
    mapped([
      { local: [jane, { groups: '{1}', domain: home }], remote: [userName, { type: 'groups', ...condition }] },
    ]).groupNames.map(({ name }) => name)
  assert.deepEqual(groups({ whitelist: ['OpsTeam', 'Developers', 'Other'] }), ['Developers', 'OpsTeam'])
  assert.deepEqual(groups({ blacklist: ['Finance'] }), ['Developers', 'OpsTeam'])
  assert.deepEqual(groups({ whitelist: ['Team$'], regex: true }), ['OpsTeam'])
  assert.deepEqual(groups({ blacklist: ['^D', '^F'], regex: true }), ['OpsTeam'])
  assert.deepEqual(groups({ whitelist: ['Other'] }), [])
  assert.deepEqual(groups({ whitelist: [] }), [])
  assert.deepEqual(groups({ blacklist: [] }), ['Developers', 'OpsTeam', 'Finance'])
})

test('groups stand as one text: a number, some names, or a list', () => {
  const rule = (groups: string) =>
    mapped([{ local: [jane, { groups, domain: home }], remote: [userName, { type: 'groups' }] }]).groupNames.map(
      ({ name }) => name,
    )
  assert.deepEqual(rule('{1}'), ['Developers', 'OpsTeam', 'Finance'])
  assert.deepEqual(rule('one'), ['one'])
  assert.deepEqual(rule('one;two'), ['one', 'two'])
  assert.deepEqual(rule(`['one', "two", '{0}']`), ['one', 'two', 'jsmith'])
  assert.deepEqual(rule('[]'), [])
  assert.deepEqual(rule('of-{0}'), ['of-jsmith'])
})

test('groups by id, one or many, each once', () => {
  const { groupIds } = mapped([
    { local: [jane, { group: { id: 'a' } }, { group_ids: '{1}' }], remote: [userName, { type: 'groups' }] },
    { local: [{ group_ids: "['a', 'b']" }, { group: { id: 'Finance' } }], remote: [userName] },
  ])
  assert.deepEqual(groupIds, ['a', 'Developers', 'OpsTeam', 'Finance', 'b'])
})

test('a value may be a group with its own domain; what has none is refused', () => {
  const rule = (beside: object) => [{ local: [jane, { groups: '{1}', ...beside }], remote: [userName, { type: 'g' }] }]
  const own = new Map([
    ...asserted,
    ['g', ['JSON:{"name": "far", "domain": {"name": "abroad"}}', 'JSON:{"name": "by", "domain": {"id": "x"}}']],
  ])
  assert.deepEqual(mapped(rule({}), own).groupNames, [
    { name: 'far', domain: { name: 'abroad' } },
    { name: 'by', domain: { id: 'x' } },
  ])
  assert.match(unmapped(rule({}), new Map([...asserted, ['g', ['bare']]])), /without a domain/)
  for (const bad of ['JSON:{', 'JSON:{"name": "x"}', 'JSON:[]', 'JSON:{"name": 1, "domain": {"id": "x"}}'])
    assert.match(unmapped(rule({ domain: home }), new Map([...asserted, ['g', [bad]]])), /without a domain/)
})

test('rules are additive, and the first user counts', () => {
  const { user, groupIds, projects } = mapped([
    { local: [{ group: { id: 'first' } }], remote: [userName] },
    { local: [{ user: { name: '{0}' } }, { user: { name: 'second' } }], remote: [userName] },
    { local: [{ user: { name: 'third' }, group: { id: 'third' } }], remote: [userName] },
    { local: [{ group: { id: 'never' } }], remote: [{ type: 'absent' }] },
    { local: [{ projects: [{ name: 'a', roles: [{ name: 'reader' }] }] }], remote: [userName] },
    { local: [{ projects: [{ name: 'b', roles: [] }] }], remote: [userName] },
  ])
  assert.equal(user.name, 'jsmith')
  assert.deepEqual(groupIds, ['first', 'third'])
  assert.deepEqual(
    projects.map(({ name, roles }) => [name, roles]),
    [
      ['a', ['reader']],
      ['b', []],
    ],
  )
})

test('who is not named is REMOTE_USER, then the id, or nobody', () => {
  const rules = [{ local: [{ group: { id: 'g' } }], remote: [userName] }]
  assert.match(unmapped(rules), /neither a name nor an id/)
  assert.equal(mapped(rules, new Map([...asserted, ['REMOTE_USER', ['jane@idp']]])).user.name, 'jane@idp')
  const byId = mapped([{ local: [{ user: { id: '{0}' } }], remote: [userName] }]).user
  assert.deepEqual([byId.id, byId.name], ['jsmith', 'jsmith'])
  // a name of which nothing is left is none
  assert.match(unmapped([{ local: [jane], remote: [{ type: 'groups', whitelist: [] }] }]), /neither/)
  assert.match(unmapped([{ local: [jane], remote: [{ type: 'empty' }] }]), /neither/)
})

test('a local user, and domains by name', () => {
  const { user } = mapped([
    { local: [{ user: { name: '{0}', type: 'local', domain: { name: 'of-{0}' } } }], remote: [userName] },
  ])
  assert.deepEqual([user.type, user.domain], ['local', { name: 'of-jsmith' }])
})

test('from version 2.0 on, a domain beside users and projects is theirs', () => {
  const projects = [{ name: "{0}'s", roles: [{ name: 'member' }] }]
  const rules = [{ local: [{ ...jane, domain: home, projects }], remote: [userName] }]
  const old = mapped(rules)
  assert.deepEqual([old.user.domain, old.projects[0]?.domain], [undefined, undefined])
  const now = mapped(rules, asserted, '2.0')
  assert.deepEqual([now.user.domain, now.projects[0]?.domain], [home, home])
  const own = [
    {
      local: [
        {
          user: { name: '{0}', domain: { id: 'mine' } },
          domain: home,
          projects: [{ ...projects[0], domain: { name: 'ours' } }],
        },
      ],
      remote: [userName],
    },
  ]
  const kept = mapped(own, asserted, '2.0')
  assert.deepEqual([kept.user.domain, kept.projects[0]?.domain], [{ id: 'mine' }, { name: 'ours' }])
  // the user's object names none: the first that a rule names
  const apart = [{ local: [jane, { groups: 'g', domain: home }], remote: [userName] }]
  assert.deepEqual(mapped(apart, asserted, '2.0').user.domain, home)
})

test('projects may be as many as there are values, and from 3.0 on asserted as JSON', () => {
  const many = mapped([
    {
      local: [jane, { projects: [{ name: '{1}', roles: [{ name: 'reader' }] }] }],
      remote: [userName, { type: 'groups' }],
    },
  ])
  assert.deepEqual(
    many.projects.map(({ name }) => name),
    ['Developers', 'OpsTeam', 'Finance'],
  )
  const rules = [{ local: [jane, { projects_json: '{1}', domain: home }], remote: [userName, { type: 'projects' }] }]
  const said = '[{"name": "p", "roles": [{"name": "member"}], "domain": {"id": "d"}}, {"name": "q", "roles": []}]'
  assert.deepEqual(mapped(rules, new Map([...asserted, ['projects', [said]]]), '3.0').projects, [
    { name: 'p', roles: ['member'], domain: { id: 'd' } },
    { name: 'q', roles: [], domain: home },
  ])
  for (const bad of ['', '{}', '[1]', '[{"name": "p"}]', '[{"name": "p", "roles": [{}]}]'])
    assert.match(unmapped(rules, new Map([...asserted, ['projects', [bad]]]), '3.0'), /not a JSON list/)
})

test('expressions are those of Python', () => {
  const applies = (regex: string, value: string) =>
    !(
      'why' in
      run(
        [{ local: [jane], remote: [userName, { type: 'v', any_one_of: [regex], regex: true }] }],
        new Map([...asserted, ['v', [value]]]),
      )
    )
  assert.ok(applies('(?i)^EMP', 'employee'))
  assert.ok(applies('\\Aab\\Z', 'ab'))
  assert.ok(!applies('\\Aab\\Z', 'ab\ncd'))
  assert.ok(!applies('(?m)\\Acd', 'ab\ncd'))
  assert.ok(applies('(?P<x>a)b', 'ab'))
  assert.ok(applies('^a{,2}$', 'aa'))
  assert.ok(!applies('^a{,2}$', 'aaa'))
  assert.ok(applies('\\@yeah\\.com$', 'me@yeah.com'))
})

test('a value too long for an expression signs nobody in, whatever the expression is to keep out', () => {
  const rules = (test: object) => [{ local: [jane], remote: [userName, { type: 'v', ...test }] }]
  const long = (test: object) => run(rules(test), new Map([...asserted, ['v', ['x'.repeat(1025)]]]))
  for (const kind of ['any_one_of', 'not_any_of', 'whitelist', 'blacklist']) {
    assert.match((long({ [kind]: ['^x'], regex: true }) as { why: string }).why, /A value of v is longer/)
    assert.ok(!/longer/.test(JSON.stringify(long({ [kind]: ['x'] }))), 'texts are compared whatever their length')
  }
})

test('braces are written twice', () => {
  assert.equal(mapped([{ local: [{ user: { name: '{{{0}}}' } }], remote: [userName] }]).user.name, '{jsmith}')
})

test('several values in one text are joined as they came', () => {
  const { user } = mapped([{ local: [{ user: { name: 'all of {0}' } }], remote: [{ type: 'groups' }] }])
  assert.equal(user.name, 'all of Developers;OpsTeam;Finance')
})
