import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMapping } from './rules.ts'

const remote = [{ type: 'UserName' }]
const jane = { user: { name: '{0}' } }

function refused(rules: unknown, sentence: RegExp, version = '1.0') {
  const result = parseMapping(rules, version)
  assert.equal(typeof result, 'string', JSON.stringify(rules))
  assert.match(String(result), /^Invalid mapping.*\.$/s)
  assert.match(String(result), sentence)
}
const local = (value: unknown, sentence: RegExp, version?: string) =>
  refused([{ local: [value], remote }], sentence, version)
const requirement = (value: unknown, sentence: RegExp) => refused([{ local: [jane], remote: [value] }], sentence)

test('what is no rule is refused, and it is said where', () => {
  refused([], /at least one rule/)
  refused({}, /a list/)
  refused([{ local: [], remote }], /schema version '9.9'/, '9.9')
  refused([{ remote }], /rule 1, local: it must be a list/)
  refused([{ local: [] }], /rule 1, remote: it must be a list/)
  refused([{ local: [], remote: [] }], /at least one member/)
  refused([{ local: [], remote, more: 1 }], /unknown member 'more'/)
  refused(
    [
      { local: [], remote },
      { local: [1], remote },
    ],
    /rule 2, local 1: it must be an object/,
  )
  refused(
    Array.from({ length: 1001 }, () => ({ local: [], remote })),
    /1000/,
  )
})

test('wrong conditions', () => {
  requirement({}, /remote 1, type: it must be a text/)
  requirement({ type: 'a', any_one_of: ['x'], not_any_of: ['y'] }, /any_one_of and not_any_of cannot stand together/)
  requirement({ type: 'a', whitelist: ['x'], blacklist: ['y'] }, /blacklist and whitelist/)
  requirement({ type: 'a', any_one_of: 'x' }, /any_one_of: it must be a list/)
  requirement({ type: 'a', any_one_of: [1] }, /any_one_of 1: it must be a text/)
  requirement({ type: 'a', regex: true }, /regex needs/)
  requirement({ type: 'a', any_one_of: ['x'], regex: 'yes' }, /true or false/)
  requirement({ type: 'a', any_one_of: ['x', '('], regex: true }, /any_one_of 2: '\(' is not a regular expression/)
  for (const needsLooking of ['(?!a)b', '(?<=a)b', '(a)\\1', '(?P<x>a)(?P=x)', '(?>a+)b'])
    requirement({ type: 'a', blacklist: [needsLooking], regex: true }, /that can be used here/)
  requirement({ type: 'a', blacklist: ['a{900}b{900}'], regex: true }, /too big/)
  requirement({ type: 'a', whitelist: ['(?x) a'], regex: true }, /verbose/)
  requirement({ type: 'a', whitelist: ['a'.repeat(1001)], regex: true }, /1000 characters/)
  requirement({ type: 'a', exactly: 'b' }, /unknown member 'exactly'/)
})

test('wrong users, groups, projects and domains', () => {
  local({ user: 'x' }, /user: it must be an object/)
  local({ user: { name: 1 } }, /user, name: it must be a text/)
  local({ user: { name: 'x', type: 'remote' } }, /ephemeral or local/)
  local({ user: { name: 'x', domain: {} } }, /domain: it must have an id or a name/)
  local({ user: { name: 'x', domain: 'default' } }, /domain: it must be an object/)
  local({ user: { nick: 'x' } }, /unknown member 'nick'/)
  local({ group: { name: 'x' } }, /an id, or a name and a domain/)
  local({ group: { id: 'x', name: 'y', domain: { id: 'z' } } }, /not both/)
  local({ groups: ['x'] }, /groups: it must be a text/)
  local({ groups: "['x', y]" }, /not a list of quoted texts/)
  local({ group_ids: {} }, /group_ids: it must be a text/)
  local({ projects: {} }, /projects: it must be a list/)
  local({ projects: [{ name: 'x' }] }, /project 1, roles: it must be a list/)
  local({ projects: [{ name: 'x', roles: [{ id: 'y' }] }] }, /unknown member 'id'/)
  local({ projects: [{ name: 'x', roles: [{}] }] }, /role 1, name: it must be a text/)
  local({ projects: [{ roles: [] }] }, /project 1, name/)
  local({ whatever: 1 }, /unknown member 'whatever'/)
})

test('numbers without a match, and braces that are none', () => {
  local({ user: { name: '{1}' } }, /asks for \{1\}, but the rule has only 1 match/)
  refused([{ local: [jane], remote: [{ type: 'a', any_one_of: ['x'] }] }], /has no match/)
  for (const name of ['{}', '{name}', '{0', '0}', '{0!r}', '{0[0]}', '{-1}'])
    local({ user: { name } }, /a brace that is not part of \{number\}/)
})

test('what a later version has is unknown to an earlier one', () => {
  const project = { name: 'p', roles: [], domain: { id: 'd' } }
  local({ projects: [project] }, /unknown member 'domain'/)
  assert.notEqual(typeof parseMapping([{ local: [{ projects: [project] }], remote }], '2.0'), 'string')
  local({ projects_json: '{0}' }, /unknown member 'projects_json'/, '2.0')
  assert.notEqual(typeof parseMapping([{ local: [{ projects_json: '{0}' }], remote }], '3.0'), 'string')
  local({ projects_json: 'x{0}' }, /one \{number\} and nothing else/, '3.0')
  local({ projects_json: 'x' }, /one \{number\} and nothing else/, '3.0')
})
