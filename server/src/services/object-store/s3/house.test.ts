// The rules of the house for the S3 API, whose operations are rows of a table and no routes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectStorePolicies } from '../policy.ts'
import { operations } from './operations.ts'
import { s3Cloud } from './testing.ts'

test('every S3 operation names its permission and a rule that exists, and is told apart from the others', () => {
  const asked = operations.map(({ level, method, query, header }) => [level, method, query, header].join(' '))
  assert.deepEqual(asked, [...new Set(asked)])
  for (const { name, permission, rule } of operations) {
    assert.match(permission, /^s3:[A-Z][A-Za-z]+$/, name)
    assert.ok(rule in objectStorePolicies, `${name}: there is no rule ${rule}`)
  }
})

test('strangers are refused at every S3 operation, and told nothing; readers may not write', async (t) => {
  const { s3 } = await s3Cloud(t)
  const member = await s3('member')
  assert.equal((await member.call('PUT', '/house')).status, 200)
  const [other, anonymous, reader] = [await s3('other'), await s3('anonymous'), await s3('reader')]
  for (const { name, level, method, query, header, rule } of operations) {
    const path = { service: '/', account: '/house', bucket: '/house', object: '/house/x' }[level]
    const asked = {
      ...(query !== undefined && { query: { [query]: query === 'list-type' ? '2' : '' } }),
      ...(header !== undefined && { headers: { [header]: '/house/x' } }),
    }
    const stranger = await anonymous.call(method, path, asked)
    assert.equal(stranger.status, 403, `${name} answers a stranger with ${stranger.status}`)
    if (method !== 'HEAD') assert.equal(stranger.the('Code'), 'AccessDenied', name)
    // what is in one's own account is everybody's own
    if (level === 'service' || level === 'account') continue
    const foreign = await other.call(method, path, asked)
    assert.equal(foreign.status, 404, `${name} answers another project with ${foreign.status}`)
    if (method !== 'HEAD') assert.equal(foreign.the('Code'), 'NoSuchBucket', name)
    if (rule === 'account:read') continue
    const refused = await reader.call(method, path, asked)
    assert.equal(refused.status, 403, `${name} answers a reader with ${refused.status}`)
  }
})
