import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf } from './claims.ts'

test('a claim has the names that mappings behind Apache know it by', () => {
  const attributes = attributesOf({ sub: 'jane', iss: 'https://id.test/realm', 'x-team': 'a' })
  for (const name of ['sub', 'OIDC-sub', 'OIDC_CLAIM_sub', 'HTTP_OIDC_SUB', 'HTTP_OIDC_CLAIM_SUB'])
    assert.deepEqual(attributes.get(name), ['jane'], name)
  assert.deepEqual(attributes.get('HTTP_OIDC_X_TEAM'), ['a'])
  assert.deepEqual(attributes.get('REMOTE_USER'), ['jane@id.test/realm'])
})

test('lists are values, objects are JSON and their members by path', () => {
  const attributes = attributesOf({
    groups: ['a', 'b;c', 3],
    none: [],
    verified: true,
    nothing: null,
    realm_access: { roles: ['x', 'y'], deep: { er: 'z' } },
    list: [{ name: 'p' }],
  })
  assert.deepEqual(attributes.get('groups'), ['a', 'b;c', '3'])
  assert.deepEqual(attributes.get('none'), [])
  assert.deepEqual(attributes.get('verified'), ['true'])
  assert.equal(attributes.has('nothing'), false)
  assert.deepEqual(attributes.get('realm_access.roles'), ['x', 'y'])
  assert.deepEqual(attributes.get('OIDC-realm_access.deep.er'), ['z'])
  assert.deepEqual(attributes.get('list'), ['[{"name":"p"}]'])
})

test('no claim takes the place of another one’s other name, nor that of the user', () => {
  const attributes = attributesOf({ 'OIDC-sub': 'admin', HTTP_OIDC_SUB: 'admin', sub: 'jane' })
  assert.deepEqual([attributes.get('OIDC-sub'), attributes.get('HTTP_OIDC_SUB')], [['jane'], ['jane']])
  assert.equal(attributesOf({ REMOTE_USER: 'admin' }).has('REMOTE_USER'), false)
  assert.deepEqual(attributesOf({ REMOTE_USER: 'admin', sub: 'jane' }).get('REMOTE_USER'), ['jane'])
})
