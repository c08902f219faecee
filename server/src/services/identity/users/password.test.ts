import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword, verifyPassword } from './password.ts'

test('a hash knows its password, says how it was made, and is never the same twice', async () => {
  const hash = await hashPassword('pässword')
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/)
  assert.ok(await verifyPassword('pässword', hash))
  assert.ok(!(await verifyPassword('password', hash)))
  assert.ok(!(await verifyPassword('', hash)))
  assert.notEqual(await hashPassword('pässword'), hash)
})

test('without a hash the answer is no, whatever the password', async () => {
  assert.equal(await verifyPassword('', undefined), false)
  assert.equal(await verifyPassword('x', undefined), false)
})

test('more sign-ins than can wait are told so', async () => {
  const all = await Promise.allSettled(
    Array.from({ length: 1010 }, () => verifyPassword('x', '$argon2id$v=19$m=8,t=1,p=1$YWJjZGVmZ2g$YWJjZA')),
  )
  assert.equal(all.filter(({ status }) => status === 'rejected').length, 8)
})
