import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesWildcard } from './conditions.ts'
import { isPublic, judge, parsePolicy, type Policy, type Principal } from './policy.ts'

const project = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const alice: Principal = { projectId: project, userId: 'u1', userName: 'alice' }
const bob: Principal = { projectId: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', userId: 'u2', userName: 'bob' }

function policy(...statements: object[]): Policy {
  const read = parsePolicy(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: statements.map((each) => ({
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::box/*',
        ...each,
      })),
    }),
    'box',
  )
  if (typeof read === 'string') assert.fail(read)
  return read
}
function ask(
  of: Policy,
  principal: Principal | undefined,
  context: Record<string, string[]> = {},
  [action, resource] = ['s3:GetObject', 'box/photos/a.jpg'],
) {
  return judge(of, { principal, action, resource, context: new Map(Object.entries(context)) })
}

test('a policy allows whom it names, what it names, where it names', () => {
  const open = policy({ Resource: 'arn:aws:s3:::box/photos/*' })
  assert.equal(ask(open, undefined), 'allow')
  assert.equal(ask(open, undefined, {}, ['s3:GetObject', 'box/secret']), undefined)
  assert.equal(ask(open, undefined, {}, ['s3:PutObject', 'box/photos/a.jpg']), undefined)
  const ofProject = policy({ Principal: { AWS: `arn:aws:iam::${project}:root` }, Action: 's3:Get*' })
  assert.deepEqual(
    [ask(ofProject, alice), ask(ofProject, bob), ask(ofProject, undefined)],
    ['allow', undefined, undefined],
  )
  const ofUser = policy({ Principal: { AWS: [`arn:aws:iam::${project}:user/alice`] } })
  assert.deepEqual(
    [ask(ofUser, alice), ask(ofUser, { ...alice, userName: 'carol', userId: 'u3' })],
    ['allow', undefined],
  )
})

test('a denial counts more than whatever allows, and may spare some', () => {
  const both = policy({}, { Effect: 'Deny', Resource: 'arn:aws:s3:::box/photos/*' })
  assert.equal(ask(both, alice), 'deny')
  assert.equal(ask(both, alice, {}, ['s3:GetObject', 'box/x']), 'allow')
  const spared = policy({}, { Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: project } })
  assert.deepEqual([ask(spared, alice), ask(spared, bob)], ['allow', 'deny'])
  const rest = policy({ Action: undefined, NotAction: 's3:Delete*' })
  assert.deepEqual([ask(rest, bob), ask(rest, bob, {}, ['s3:DeleteObject', 'box/x'])], ['allow', undefined])
})

test('conditions: all of them, any value of each; what is not known fits only what is negated', () => {
  const at = (Condition: object, context: Record<string, string[]> = {}) =>
    ask(policy({ Condition }), undefined, context)
  assert.equal(
    at({ IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '2001:db8::/32'] } }, { 'aws:sourceip': ['10.1.2.3'] }),
    'allow',
  )
  assert.equal(at({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:sourceip': ['::ffff:10.1.2.3'] }), 'allow')
  assert.equal(at({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:sourceip': ['11.1.2.3'] }), undefined)
  assert.equal(at({ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:sourceip': ['11.1.2.3'] }), 'allow')
  assert.equal(at({ Bool: { 'aws:SecureTransport': 'true' } }, { 'aws:securetransport': ['false'] }), undefined)
  assert.equal(
    at({ StringLike: { 'aws:Referer': 'https://site.test/*' } }, { 'aws:referer': ['https://site.test/p'] }),
    'allow',
  )
  assert.equal(at({ StringEquals: { 's3:prefix': '' } }), undefined)
  assert.equal(at({ StringNotEquals: { 's3:prefix': 'a' } }), 'allow')
  assert.equal(at({ StringNotEquals: { 's3:prefix': ['a', 'b'] } }, { 's3:prefix': ['b'] }), undefined)
  assert.equal(at({ StringEqualsIfExists: { 's3:prefix': 'a' } }), 'allow')
  assert.equal(at({ Null: { 's3:x-amz-acl': 'true' } }), 'allow')
  assert.equal(at({ Null: { 's3:x-amz-acl': 'true' } }, { 's3:x-amz-acl': ['private'] }), undefined)
  assert.equal(at({ NumericLessThanEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': ['11'] }), undefined)
  assert.equal(
    at(
      { DateLessThan: { 'aws:CurrentTime': '2026-01-01T00:00:00Z' } },
      { 'aws:currenttime': ['2025-06-01T00:00:00Z'] },
    ),
    'allow',
  )
  const everyTag = { 'ForAllValues:StringLike': { 's3:RequestObjectTagKeys': ['a', 'b'] } }
  assert.equal(at(everyTag, { 's3:requestobjecttagkeys': ['a', 'c'] }), undefined)
  assert.equal(at(everyTag, { 's3:requestobjecttagkeys': ['b'] }), 'allow')
  assert.equal(
    at({ StringEquals: { 's3:ExistingObjectTag/class': 'public' } }, { 's3:existingobjecttag/class': ['public'] }),
    'allow',
  )
})

test('variables stand for what is known, in keys and in conditions', () => {
  const own = policy({ Principal: { AWS: '*' }, Resource: 'arn:aws:s3:::box/home/${aws:username}/*' })
  const named = { 'aws:username': ['alice'] }
  assert.equal(ask(own, alice, named, ['s3:GetObject', 'box/home/alice/x']), 'allow')
  assert.equal(ask(own, alice, named, ['s3:GetObject', 'box/home/bob/x']), undefined)
  assert.equal(ask(own, undefined, {}, ['s3:GetObject', 'box/home/alice/x']), undefined)
})

test('what cannot be meant is refused in a sentence', () => {
  const wrong = (change: object, of: object = {}) => {
    const statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::box/*',
      ...change,
    }
    return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: [statement], ...of }), 'box')
  }
  for (const [read, sentence] of [
    [wrong({ Effect: 'Maybe' }), /effect/],
    [wrong({ Action: 'ec2:RunInstances' }), /action/],
    [wrong({ Resource: 'arn:aws:s3:::other/*' }), /not of this bucket/],
    [wrong({ Resource: 'box/*' }), /resource/],
    [wrong({ Principal: undefined }), /Principal/],
    [wrong({ Principal: { AWS: 'arn:aws:iam::x' } }), /principal/],
    [wrong({ Principal: { Federated: 'x' } }), /Principal/],
    [wrong({ NotAction: 's3:*' }), /Action or NotAction/],
    [wrong({ Condition: { Sounds: { 's3:prefix': 'x' } } }), /Condition type/],
    [wrong({ Condition: { StringEquals: { 'aws:MoonPhase': 'x' } } }), /condition key/],
    [wrong({ Condition: { IpAddress: { 'aws:SourceIp': '300.1.1.1' } } }), /cannot take/],
    [wrong({ Principal: undefined, NotPrincipal: '*' }), /NotPrincipal/],
    [wrong({ Colour: 'red' }), /Colour/],
    [wrong({}, { Version: '2020-01-01' }), /version/],
    [wrong({}, { Statement: [] }), /Statement/],
    [parsePolicy('{', 'box'), /JSON/],
    [parsePolicy('null', 'box'), /object/],
  ] as const) {
    if (typeof read !== 'string') assert.fail(`accepted: ${JSON.stringify(read)}`)
    assert.match(read, sentence)
  }
})

test('a policy is public when anybody comes in without a condition that says who that is', () => {
  assert.equal(isPublic(policy({})), true)
  assert.equal(isPublic(policy({ Principal: { AWS: project } })), false)
  assert.equal(isPublic(policy({ Effect: 'Deny' })), false)
  assert.equal(isPublic(policy({ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } })), false)
  assert.equal(isPublic(policy({ Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } })), true)
  assert.equal(isPublic(policy({ Condition: { StringNotEquals: { 'aws:username': 'x' } } })), true)
})

test('wildcards fit as they should, however many stars there are', () => {
  for (const [pattern, text, fits] of [
    ['*', '', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbd', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['*.jpg', 'x.jpg.png', false],
    ['a*b*c', 'axxbxxbxc', true],
    ['a.c', 'abc', false],
  ] as const)
    assert.equal(matchesWildcard(pattern, text), fits, `${pattern} ${text}`)
  // by backtracking this would take longer than the age of the world
  assert.equal(matchesWildcard(`${'*a'.repeat(60)}b`, 'a'.repeat(1024)), false)
})
