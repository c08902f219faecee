// Answers as an identity provider writes them, signed by samlify; and such a provider on loopback, for browsers.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Constants, IdentityProvider, SamlLib, ServiceProvider, setSchemaValidator } from 'samlify'
import type { SamlSelf } from './provider.ts'

export const self: SamlSelf = { entityId: 'https://cloud.test/saml', answerUrl: 'https://cloud.test/saml/callback' }
export const requestId = '_request-1'
const bearer = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'

/** A key and its certificate. */
export interface Pair {
  key: string
  certificate: string
}
export function makePair(kind = ['-newkey', 'rsa:2048']): Pair {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-saml-'))
  const args = ['req', '-x509', ...kind, '-nodes', '-days', '2', '-subj', '/CN=idp']
  execFileSync('openssl', [...args, '-keyout', 'key.pem', '-out', 'cert.pem'], { cwd: dir, stdio: 'pipe' })
  const pair = {
    key: readFileSync(join(dir, 'key.pem'), 'utf8'),
    certificate: readFileSync(join(dir, 'cert.pem'), 'utf8'),
  }
  rmSync(dir, { recursive: true })
  return pair
}

/** Who may read an assertion. */
export const audienceOf = (entityId: string) =>
  `<saml:AudienceRestriction><saml:Audience>${entityId}</saml:Audience></saml:AudienceRestriction>`
export const at = (ms: number) => new Date(Date.now() + ms).toISOString()
const usual = () => ({
  id: '_assertion-1',
  issuer: 'https://idp.test',
  issued: at(0),
  method: bearer,
  recipient: self.answerUrl,
  inResponseTo: requestId,
  confirmedUntil: at(120_000),
  from: at(0),
  until: at(120_000),
  audience: audienceOf(self.entityId),
  statement: `<saml:AuthnStatement AuthnInstant="${at(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
  name: 'ada',
  groups: ['staff', 'admins'],
})
export type Parts = ReturnType<typeof usual>

export function assertionOf(change: Partial<Parts> = {}): string {
  const p = { ...usual(), ...change }
  return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${p.id}" Version="2.0" IssueInstant="${p.issued}"><saml:Issuer>${p.issuer}</saml:Issuer><saml:Subject><saml:NameID>${p.name}</saml:NameID><saml:SubjectConfirmation Method="${p.method}"><saml:SubjectConfirmationData Recipient="${p.recipient}" InResponseTo="${p.inResponseTo}" NotOnOrAfter="${p.confirmedUntil}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${p.from}" NotOnOrAfter="${p.until}">${p.audience}</saml:Conditions>${p.statement}<saml:AttributeStatement><saml:Attribute Name="urn:oid:0.9.2342.19200300.100.1.3" FriendlyName="mail"><saml:AttributeValue>ada@example.org</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups">${p.groups.map((each) => `<saml:AttributeValue>${each}</saml:AttributeValue>`).join('')}</saml:Attribute><saml:Attribute Name="NameID"><saml:AttributeValue>root</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>`
}
export const responseOf = (inside: string, change: Partial<Parts> = {}) => {
  const p = { ...usual(), ...change }
  return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_response-1" Version="2.0" IssueInstant="${at(0)}" Destination="${p.recipient}" InResponseTo="${p.inResponseTo}"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${p.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>${inside}</samlp:Response>`
}

/** With a signature of what is named, beside its issuer. */
export function signed(
  xml: string,
  what: 'Response' | 'Assertion',
  { pair, algorithm = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256' }: { pair: Pair; algorithm?: string },
): string {
  const path = `/*[local-name(.)='Response']${what === 'Assertion' ? "/*[local-name(.)='Assertion']" : ''}`
  return SamlLib.constructSAMLSignature({
    rawSamlMessage: xml,
    referenceTagXPath: path,
    signatureAlgorithm: algorithm,
    privateKey: pair.key,
    signingCert: bareOf(pair),
    isBase64Output: false,
    transformationAlgorithms: [
      'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
      'http://www.w3.org/2001/10/xml-exc-c14n#',
    ],
    signatureConfig: { prefix: 'ds', location: { reference: `${path}/*[local-name(.)='Issuer']`, action: 'after' } },
  })
}
export const bareOf = ({ certificate }: Pair) => certificate.replaceAll(/-----[^-]+-----|\s/g, '')

const binding = Constants.namespace.binding

export interface TestProvider {
  entityId: string
  ssoUrl: string
  pair: Pair
  /** Our metadata: before it knows that, it knows nobody. */
  trust(metadata: string): void
  /** What the next answers have instead of what belongs there. */
  lies: Partial<Parts>
  /** Makes something else of the next answers' XML, once signed. */
  spoil: (xml: string) => string
  /** Who signs the next answers, if anybody. */
  signer: Pair | undefined
}

/** A provider that lets everybody in as `ada`: takes a request by HTTP-Redirect and answers with a form for HTTP-POST. */
export async function testProvider(t: Pick<TestContext, 'after'>): Promise<TestProvider> {
  setSchemaValidator({ validate: async () => 'not checked' })
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pair = makePair()
  const us = IdentityProvider({
    entityID: `${origin}/metadata`,
    signingCert: pair.certificate,
    singleSignOnService: [{ Binding: binding.redirect, Location: `${origin}/sso` }],
  })
  let them: ReturnType<typeof ServiceProvider> | undefined
  const provider: TestProvider = {
    entityId: `${origin}/metadata`,
    ssoUrl: `${origin}/sso`,
    pair,
    trust(metadata) {
      them = ServiceProvider({ metadata })
    },
    lies: {},
    spoil: (xml) => xml,
    signer: pair,
  }
  const answerTo = async (url: URL): Promise<string> => {
    const query = Object.fromEntries(url.searchParams)
    if (!them) return assert.fail('the provider knows nobody yet')
    const { extract } = await us.parseLoginRequest(them, 'redirect', { query })
    const request = extract.request as { id: string; assertionConsumerServiceUrl: string }
    const entityId = String(them.entityMeta.getEntityID())
    const known = String(them.entityMeta.getAssertionConsumerService('post'))
    assert.deepEqual([extract.issuer, request.assertionConsumerServiceUrl], [entityId, known])
    const parts = {
      issuer: provider.entityId,
      recipient: known,
      inResponseTo: request.id,
      audience: audienceOf(entityId),
      ...provider.lies,
    }
    const xml = responseOf(assertionOf(parts), parts)
    const made = provider.spoil(provider.signer ? signed(xml, 'Assertion', { pair: provider.signer }) : xml)
    return `<form method="post" action="${known}">
      <input type="hidden" name="SAMLResponse" value="${Buffer.from(made).toString('base64')}">
      <input type="hidden" name="RelayState" value="${query['RelayState']}"></form>`
  }
  server.on('request', (req, res) => {
    answerTo(new URL(req.url ?? '', origin)).then(
      (form) => res.end(form),
      (error: unknown) => res.writeHead(500).end(String(error)),
    )
  })
  t.after(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return provider
}

/** The form of a page, as a browser would post it. */
export function formOf(page: string): { action: string; fields: URLSearchParams } {
  const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1] ?? assert.fail(page)
  const fields = new URLSearchParams()
  for (const [input] of page.matchAll(/<input[^>]*>/g))
    fields.append(/ name="([^"]*)"/.exec(input)![1]!, / value="([^"]*)"/.exec(input)![1]!)
  return { action, fields }
}
