import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { signRequest, signText } from './signature.ts'
import { isTotpCode, totpCode } from './totp.ts'

// the worked example of AWS's documentation
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const signature = '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7'
const request = {
  verb: 'GET',
  host: 'iam.amazonaws.com',
  path: '/',
  params: { Action: 'ListUsers', Version: '2010-05-08' },
  headers: {
    'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8',
    Host: 'iam.amazonaws.com',
    'X-Amz-Date': '20150830T123600Z',
    Authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=x',
  },
  bodyHash: createHash('sha256').update('').digest('hex'),
}

test('version 4 signatures, of a request and of its string to sign', () => {
  assert.equal(signRequest(request, secret), signature)
  const canonical = 'f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59'
  const text = `AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n${canonical}`
  assert.equal(signText(text, secret), signature)
  assert.notEqual(signRequest({ ...request, path: '/other' }, secret), signature)
})

test('what is signed in no way that is known has no signature', () => {
  assert.equal(signRequest({ ...request, headers: {} }, secret), undefined)
  const otherDay = { ...request.headers, 'X-Amz-Date': '20150831T123600Z' }
  assert.equal(signRequest({ ...request, headers: otherDay }, secret), undefined)
  assert.equal(signText('AWS4-HMAC-SHA256\nx\ny', secret), undefined)
  assert.equal(signRequest({ ...request, headers: {}, params: { SignatureVersion: '1' } }, secret), undefined)
})

test('one-time codes are those of RFC 6238', () => {
  const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  assert.equal(totpCode(seed, 59_000), '287082')
  assert.equal(totpCode(seed, 1_111_111_109_000), '081804')
  assert.ok(isTotpCode(seed, '287082', 59_000 + 30_000))
  assert.ok(!isTotpCode(seed, '287082', 59_000 + 61_000))
  assert.equal(totpCode('not base32!', 0), undefined)
})
