import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Fault } from '#lib/fault.ts'
import { findContainer } from '../../containers.ts'
import { findObject } from '../../store/read.ts'
import { encryptionHeaders, readCustomerKey, readWish } from './encryption.ts'
import type { BucketRequest } from '../wire/request.ts'
import { s3Cloud } from '../testing.ts'

const sse = 'x-amz-server-side-encryption'
const key = Buffer.alloc(32, 7)
const md5 = createHash('md5').update(key).digest('base64')
const customer: Record<string, string> = {
  [`${sse}-customer-algorithm`]: 'AES256',
  [`${sse}-customer-key`]: key.toString('base64'),
  [`${sse}-customer-key-md5`]: md5,
}

function asking(headers: Record<string, string>, more: { secure?: boolean; remoteAddress?: string } = {}) {
  return {
    header: (name: string) => headers[name.toLowerCase()],
    secure: true,
    remoteAddress: '203.0.113.7',
    world: { config: { objectEncryption: 'all' } },
    bucket: { container: { encryption: null }, whose: { region: 'local', projectId: 'p' } },
    ...more,
  } as unknown as BucketRequest
}
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as Fault).code ?? String(error)
  }
  return 'accepted'
}

test('a request says how it wants its bytes encrypted; what contradicts itself is refused', () => {
  assert.deepEqual(readWish(asking({})), { mode: 'sse-s3' }, 'as the deployment does')
  assert.deepEqual(readWish(asking({ [sse]: 'AES256' })), { mode: 'sse-s3' })
  assert.deepEqual(readWish(asking({ [sse]: 'aws:kms' })), { mode: 'sse-kms', keyId: undefined, context: {} })
  const context = Buffer.from('{"tenant":"a"}').toString('base64')
  const named = { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'alias/payroll', [`${sse}-context`]: context }
  assert.deepEqual(readWish(asking(named)), { mode: 'sse-kms', keyId: 'alias/payroll', context: { tenant: 'a' } })
  assert.deepEqual(readWish(asking(customer)), { mode: 'sse-c', customerKey: key })
  const wrong: [Record<string, string>, string][] = [
    [{ [sse]: 'rot13' }, 'InvalidArgument'],
    [{ [sse]: 'aws:kms:dsse' }, 'NotImplemented'],
    [{ [sse]: 'AES256', [`${sse}-aws-kms-key-id`]: 'k' }, 'InvalidArgument'],
    [{ [`${sse}-aws-kms-key-id`]: 'k' }, 'InvalidArgument'],
    [{ ...customer, [sse]: 'AES256' }, 'InvalidArgument'],
    [{ ...named, [`${sse}-context`]: 'e30x' }, 'InvalidArgument'],
    [{ ...named, [`${sse}-context`]: Buffer.from('{"a":1}').toString('base64') }, 'InvalidArgument'],
  ]
  for (const [headers, code] of wrong)
    assert.equal(
      codeOf(() => readWish(asking(headers))),
      code,
      JSON.stringify(headers),
    )
})

test("a customer's key comes whole, with its digest, and over no open network", () => {
  assert.deepEqual(readCustomerKey(asking(customer)), { key, md5 })
  assert.equal(readCustomerKey(asking({})), undefined)
  const source = Object.fromEntries(
    Object.entries(customer).map(([name, value]) => [name.replace('x-amz-', 'x-amz-copy-source-'), value]),
  )
  assert.deepEqual(readCustomerKey(asking(source), 'source'), { key, md5 })
  assert.equal(readCustomerKey(asking(source)), undefined)
  const wrong: [Record<string, string>, string][] = [
    [{ [`${sse}-customer-algorithm`]: '' }, 'InvalidEncryptionAlgorithmError'],
    [{ [`${sse}-customer-algorithm`]: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
    [{ [`${sse}-customer-key`]: Buffer.alloc(31).toString('base64') }, 'InvalidArgument'],
    [{ [`${sse}-customer-key-md5`]: createHash('md5').digest('base64') }, 'InvalidArgument'],
  ]
  for (const [headers, code] of wrong)
    assert.equal(
      codeOf(() => readCustomerKey(asking({ ...customer, ...headers }))),
      code,
      JSON.stringify(headers),
    )
  for (const name of Object.keys(customer)) {
    const { [name]: _, ...rest } = customer
    assert.equal(
      codeOf(() => readCustomerKey(asking(rest))),
      'InvalidArgument',
      `without ${name}`,
    )
  }
  assert.equal(
    codeOf(() => readCustomerKey(asking(customer, { secure: false }))),
    'InvalidRequest',
  )
  const here = { secure: false, remoteAddress: '::ffff:127.0.0.1' }
  assert.equal(
    codeOf(() => readCustomerKey(asking(customer, here))),
    'accepted',
    'it crossed no network',
  )
})

test('replies say how an object is encrypted, and never a key', () => {
  const wrapped = { keyId: 'k', keyVersion: 1, dataKey: 'AAAA' }
  assert.deepEqual(encryptionHeaders(asking({}), null), {})
  assert.deepEqual(encryptionHeaders(asking({}), { mode: 'sse-s3', ...wrapped }), { [sse]: 'AES256' })
  assert.deepEqual(encryptionHeaders(asking({}), { mode: 'sse-kms', context: {}, ...wrapped }), {
    [sse]: 'aws:kms',
    [`${sse}-aws-kms-key-id`]: 'arn:aws:kms:local:p:key/k',
  })
  assert.deepEqual(encryptionHeaders(asking(customer), { mode: 'sse-c', dataKey: 'AAAA' }), {
    [`${sse}-customer-algorithm`]: 'AES256',
    [`${sse}-customer-key-MD5`]: md5,
  })
})

test('a bucket says what it encrypts with, and what is put into it through Swift is encrypted so', async (t) => {
  const { cloud, s3 } = await s3Cloud(t)
  const client = await s3('member')
  const member = cloud.as('member')
  await client.call('PUT', '/vault')
  const config = { query: { encryption: '' } }
  const missing = await client.call('GET', '/vault', config)
  assert.deepEqual([missing.status, missing.the('Code')], [404, 'ServerSideEncryptionConfigurationNotFoundError'])
  const put = (rule: string) =>
    client.call('PUT', '/vault', {
      ...config,
      body: `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rule}</ServerSideEncryptionConfiguration>`,
    })
  const rule = (inner: string) =>
    `<Rule><ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault></Rule>`
  const modeOf = async (name: string) => {
    await member.put(`/object-store/v1/AUTH_${member.projectId}/vault/${name}`, undefined, { raw: `this is ${name}` })
    const container = await findContainer(cloud.db, { region: 'local', projectId: member.projectId }, 'vault')
    const sealed = (await findObject(cloud.db, container!.id, name))!.sealed
    assert.equal((await member.get(`/object-store/v1/AUTH_${member.projectId}/vault/${name}`)).text, `this is ${name}`)
    return sealed
  }
  assert.equal(await modeOf('before'), null)
  for (const wrong of [
    '',
    '<Rule/>',
    rule('<SSEAlgorithm>rot13</SSEAlgorithm>'),
    rule('<SSEAlgorithm>AES256</SSEAlgorithm>').repeat(2),
    rule('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>'),
  ])
    assert.equal((await put(wrong)).status, 400, wrong)
  assert.equal((await put(rule('<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>'))).status, 501)

  assert.equal((await put(rule('<SSEAlgorithm>AES256</SSEAlgorithm>'))).status, 200)
  assert.equal((await client.call('GET', '/vault', config)).the('SSEAlgorithm'), 'AES256')
  assert.equal((await modeOf('sealed'))?.mode, 'sse-s3')
  const made = await member.post('/object-keys/v1/keys', { key: { name: 'payroll' } })
  assert.equal(
    (await put(rule('<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/payroll</KMSMasterKeyID>'))).status,
    200,
  )
  assert.equal((await client.call('GET', '/vault', config)).the('KMSMasterKeyID'), 'alias/payroll')
  const sealed = await modeOf('payroll')
  assert.ok(sealed?.mode === 'sse-kms' && sealed.keyId === made.json.key.id)
  assert.equal((await client.call('DELETE', '/vault', config)).status, 204)
  assert.equal((await client.call('GET', '/vault', config)).status, 404)
  assert.equal(await modeOf('after'), null)
})
