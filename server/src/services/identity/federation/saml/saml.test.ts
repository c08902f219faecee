import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { Constants, IdentityProvider, ServiceProvider, setSchemaValidator } from 'samlify'
import { type SamlProvider, selfDescription, signInUrl } from './provider.ts'
import { NotBelieved, readResponse } from './response.ts'
import {
  assertionOf,
  at,
  audienceOf,
  bareOf,
  makePair,
  type Pair,
  type Parts,
  requestId,
  responseOf,
  self,
  signed as signedBy,
} from './testing.ts'

let own: Pair
let stranger: Pair
before(() => {
  own = makePair()
  stranger = makePair()
})
const provider = (more: Partial<SamlProvider> = {}): SamlProvider => ({
  entityId: 'https://idp.test',
  signInUrl: 'https://idp.test/sso',
  certificates: [own.certificate],
  skewMs: 60_000,
  ...more,
})

const signed = (xml: string, what: 'Response' | 'Assertion', how: { pair?: Pair; algorithm?: string } = {}) =>
  signedBy(xml, what, { pair: own, ...how })
const base64 = (xml: string) => Buffer.from(xml).toString('base64')
const read = (xml: string, more: Partial<SamlProvider> = {}, nowMs?: number) =>
  readResponse(self, provider(more), { response: base64(xml), requestId }, nowMs)
const signedAssertion = (change: Partial<Parts> = {}, how = {}) =>
  signed(responseOf(assertionOf(change)), 'Assertion', how)
const refused = (xml: string, why: RegExp, more: Partial<SamlProvider> = {}) =>
  assert.rejects(read(xml, more), (error) => error instanceof NotBelieved && why.test(error.message), String(why))

test('what a provider signed is believed: the assertion, or the whole response', async () => {
  for (const what of ['Assertion', 'Response'] as const) {
    const attributes = await read(signed(responseOf(assertionOf()), what))
    assert.deepEqual(attributes.get('NameID'), ['ada'])
    assert.deepEqual(attributes.get('issuer'), ['https://idp.test'])
    assert.deepEqual(attributes.get('mail'), ['ada@example.org'])
    assert.deepEqual(attributes.get('urn:oid:0.9.2342.19200300.100.1.3'), ['ada@example.org'])
    assert.deepEqual(attributes.get('groups'), ['staff', 'admins'])
  }
  // while the provider changes its certificate, both are good; in base64 alone too
  await read(signedAssertion(), { certificates: [stranger.certificate, bareOf(own)] })
})

test('what nobody signed, a stranger signed, or somebody changed is not', async () => {
  await refused(responseOf(assertionOf()), /signature/i)
  await refused(signedAssertion({}, { pair: stranger }), /signature/i)
  for (const what of ['Assertion', 'Response'] as const) {
    const good = signed(responseOf(assertionOf()), what)
    await refused(good.replace('>ada<', '>root<'), /signature/i)
    await refused(good.replace('>staff<', '>admin<'), /signature/i)
  }
  await refused(signedAssertion({}, { algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }), /algorithm/)
  await refused(signedAssertion().replaceAll('rsa-sha256', 'hmac-sha256'), /algorithm/)
})

test('an answer is for one request, for us, of that provider, and now', async () => {
  await refused(signedAssertion({ issuer: 'https://other.test' }), /is of https:\/\/other/)
  await refused(signedAssertion({ inResponseTo: '_request-2' }), /confirmation/)
  await refused(signedAssertion({ recipient: 'https://other.test/callback' }), /confirmation/)
  await refused(signedAssertion({ method: 'urn:oasis:names:tc:SAML:2.0:cm:sender-vouches' }), /confirmation/)
  const other = audienceOf('https://other.test')
  await refused(signedAssertion({ audience: other }), /audience/i)
  await refused(signedAssertion({ audience: '' }), /audience/i)
  await refused(signedAssertion({ statement: '' }), /signed in/)
  await refused(signedAssertion({ until: at(-120_000) }), /expired/)
  await refused(signedAssertion({ from: at(120_000) }), /not yet/)
  await refused(signedAssertion({ confirmedUntil: at(-120_000) }), /confirmation|expired/)
  await refused(
    signedAssertion({ issued: at(-3_600_000), confirmedUntil: at(3_600_000), until: at(3_600_000) }),
    /too old|expired|confirmation/,
  )
  // clocks may differ so far as the operator says, and never by more than five minutes
  await read(signedAssertion({ from: at(30_000) }))
  await read(signedAssertion({ until: at(-30_000), confirmedUntil: at(-30_000) }))
  await refused(signedAssertion({ from: at(600_000) }), /not yet/, { skewMs: 86_400_000 })
})

test('wrapping does not help: what is read is what was signed', async () => {
  const good = signedAssertion()
  const original = /<saml:Assertion.*<\/saml:Assertion>/s.exec(good)![0]
  const forged = assertionOf({ id: '_forged', name: 'root' })
  const signature = /<ds:Signature.*<\/ds:Signature>/s.exec(original)![0]
  const bare = original.replace(signature, '')
  const wrapped: [string, string][] = [
    ['forged beside the signed one', good.replace(original, forged + original)],
    ['and after it', good.replace(original, original + forged)],
    [
      'signed one inside the forged one',
      good.replace(original, forged.replace('</saml:Assertion>', `${original}</saml:Assertion>`)),
    ],
    ['signed one in extensions', good.replace(original, `<samlp:Extensions>${original}</samlp:Extensions>${forged}`)],
    [
      'the signature moved to a forged one',
      good.replace(original, forged.replace('</saml:Issuer>', `</saml:Issuer>${signature}`)),
    ],
    [
      'the original inside the signature',
      good.replace(
        original,
        forged.replace(
          '</saml:Issuer>',
          `</saml:Issuer>${signature.replace('</ds:Signature>', `<ds:Object>${bare}</ds:Object></ds:Signature>`)}`,
        ),
      ),
    ],
    ['two of one id', good.replace(original, assertionOf({ name: 'root' }) + original)],
    [
      'forged one of the same id around it',
      good.replace(
        original,
        assertionOf({ name: 'root' }).replace('</saml:Assertion>', `${original}</saml:Assertion>`),
      ),
    ],
    ['a second response around all', responseOf(forged).replace('</samlp:Response>', `${good}</samlp:Response>`)],
  ]
  for (const [name, xml] of wrapped) {
    const said = await read(xml).catch((error: unknown) => error)
    if (said instanceof NotBelieved) continue
    assert.deepEqual((said as Map<string, string[]>).get('NameID'), ['ada'], name)
  }
})

test('XML that does more than say something is refused before it is read', async () => {
  const good = signedAssertion({ name: 'ada<!-- -->.root' })
  await refused(good, /comment/)
  await refused(`<!DOCTYPE x [<!ENTITY a "b">]>${signedAssertion()}`, /document type/)
  await refused(signedAssertion().replace('<saml:NameID>', '<?php x?><saml:NameID>'), /comment|document type/)
  await refused(
    responseOf('<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>'),
    /encrypted/,
  )
  await refused('x'.repeat(300_000), /too long/)
  await assert.rejects(readResponse(self, provider(), { response: '<xml>', requestId }), NotBelieved)
  await refused('not xml', /./)
  await refused(responseOf(''), /./)
  const denied = responseOf('').replace(
    /status:Success"\/>/,
    'status:Responder"/><samlp:StatusMessage>no</samlp:StatusMessage>',
  )
  await refused(denied, /no/)
})

describe('with an identity provider of another make', () => {
  test('it takes our description and our request, and we its answer', async () => {
    setSchemaValidator({ validate: async () => 'not checked' })
    const description = await selfDescription(self)
    assert.match(description, /entityID="https:\/\/cloud.test\/saml"/)
    assert.match(description, /HTTP-POST" Location="https:\/\/cloud.test\/saml\/callback"/)
    assert.doesNotMatch(description, /PAOS/)
    const us = ServiceProvider({ metadata: description })
    const them = IdentityProvider({
      entityID: 'https://idp.test',
      privateKey: own.key,
      signingCert: own.certificate,
      requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      singleSignOnService: [{ Binding: Constants.namespace.binding.redirect, Location: 'https://idp.test/sso' }],
      nameIDFormat: ['urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified'],
    })
    const url = new URL(await signInUrl(self, provider(), requestId, 'relay-1'))
    assert.equal(url.searchParams.get('RelayState'), 'relay-1')
    const query = Object.fromEntries(url.searchParams)
    const { extract } = await them.parseLoginRequest(us, 'redirect', { query })
    const request = extract.request as { id: string; assertionConsumerServiceUrl: string }
    assert.deepEqual([request.id, extract.issuer], [requestId, self.entityId])
    assert.equal(request.assertionConsumerServiceUrl, self.answerUrl)
    const xml = signed(responseOf(assertionOf({ inResponseTo: request.id })), 'Assertion')
    assert.deepEqual((await read(xml)).get('NameID'), ['ada'])
  })
})
