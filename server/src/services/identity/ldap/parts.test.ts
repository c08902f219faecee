import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dnKey, firstValue, isWithin } from './dn.ts'
import { idText, idValue } from './entry.ts'
import { allValues } from './search.ts'
import { readLdapSettings } from './settings.ts'

test('names are the same however they are written', () => {
  assert.equal(dnKey('CN=Ada\\, Countess , OU=Users,DC=x'), dnKey('cn=ada\\2c countess,ou=users,dc=X'))
  assert.notEqual(dnKey('cn=a\\,ou=b,dc=x'), dnKey('cn=a,ou=b,dc=x'))
  assert.equal(dnKey('cn=J\\c3\\bcrgen,dc=x'), dnKey('cn=Jürgen,dc=x'))
  assert.ok(isWithin('cn=a,ou=Users,dc=x', 'OU=users, dc=x'))
  assert.ok(!isWithin('cn=a\\,ou=users,dc=x', 'ou=users,dc=x'))
  assert.ok(!isWithin('dc=x', 'ou=users,dc=x'))
  assert.equal(firstValue('CN=Ada\\, B,dc=x', 'cn'), 'Ada, B')
  assert.equal(firstValue('uid=ada,dc=x', 'cn'), undefined)
})

test('ids that are no text have one', () => {
  const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
  const text = '33221100-5544-7766-8899-aabbccddeeff'
  assert.equal(idText('objectguid', bytes), text)
  assert.deepEqual(idValue('objectGUID', text), bytes)
  const sid = Buffer.from([1, 2, 255])
  assert.deepEqual(idValue('objectSid', idText('objectSid', sid)), sid)
  assert.equal(idValue('uid', 'ada'), 'ada')
})

test('values that come in parts are all read, and a server that never ends is left', async () => {
  const all = Array.from({ length: 7 }, (_, i) => `m${i}`)
  const part = (from: number) => ({
    dn: 'x',
    [`Member;range=${from}-${from + 3 >= all.length ? '*' : from + 2}`]: all.slice(from, from + 3),
  })
  const asked: string[] = []
  const read = async (name: string) => {
    asked.push(name)
    return part(Number(/=(\d+)-/.exec(name)![1]))
  }
  assert.deepEqual(await allValues({ member: [], ...part(0) }, 'member', read), all)
  assert.deepEqual(asked, ['member;range=3-*', 'member;range=6-*'])
  assert.deepEqual(await allValues({ dn: 'x', member: 'one' }, 'member', read), ['one'])
  let endless = 0
  await allValues({ dn: 'x', 'member;range=0-0': ['m'] }, 'member', async () => {
    endless++
    return { dn: 'x', 'member;range=0-0': ['m'] }
  })
  assert.equal(endless, 10_000)
})

test('options are read however they are written, and what cannot be used is said', () => {
  const read = (ldap: Record<string, unknown>) => readLdapSettings({ ldap: { url: 'ldap://h', ...ldap } })
  const settings = read({
    page_size: '50',
    use_tls: 'True',
    user_attribute_ignore: 'email, enabled',
    url: 'ldap://a,ldaps://b',
  })
  assert.deepEqual([settings.pageSize, settings.startTls, settings.urls], [50, true, ['ldap://a', 'ldaps://b']])
  assert.deepEqual([settings.user.mailAttribute, settings.user.enabledAttribute], [undefined, undefined])
  assert.deepEqual([read({}).startTls, read({}).checkCertificate, read({}).scope], [false, 'demand', 'one'])
  assert.throws(() => read({ url: 'http://h' }), /not that of an LDAP server/)
  assert.throws(() => read({ user: 'cn=a' }), /password is not/)
  assert.throws(() => read({ tls_req_cert: 'maybe' }), /one of demand, allow, never/)
  assert.throws(() => read({ page_size: 'many' }), /not a number/)
})
