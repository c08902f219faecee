// What a provider says of who signed in there (SAML 2.0 profiles, 4.1.4): believed only as far as a signature of its covers
// it, for us, as the answer to the one request that this browser was sent with, now.
import { library, mostSkewMs, type SamlProvider, type SamlSelf } from './provider.ts'

/** Names of attributes, each with its values; the subject is `NameID`, the provider's own name `issuer`. */
export type SamlAttributes = ReadonlyMap<string, readonly string[]>

/** Why an answer was not believed: for the log, not for who brought it. */
export class NotBelieved extends Error {}

/** What of the answer is looked at: far more than any real one has, and less than would hold a process up. */
const mostBytes = 256 * 1024

/** Throws NotBelieved. `nowMs` is for what this module checks beside the library. */
export async function readResponse(
  self: SamlSelf,
  provider: SamlProvider,
  given: { response: string; requestId: string },
  nowMs = Date.now(),
): Promise<SamlAttributes> {
  requireHarmless(given.response)
  const saml = await library(self, provider, given.requestId)
  const checked = await saml
    .validatePostResponseAsync({ SAMLResponse: given.response })
    .catch((error: unknown) => refuse(error instanceof Error ? error.message : String(error)))
  const { profile } = checked
  // what the signature covers, and nothing else of the document
  const assertion = (profile?.getAssertion?.() as Node | undefined)?.['Assertion'] as Node | undefined
  if (!profile || !assertion) return refuse('There is no assertion.')
  const issuer = textOf(first(assertion['Issuer']))
  if (issuer !== provider.entityId) refuse(`The assertion is of ${issuer ?? 'nobody'}.`)
  requireConditions(first(assertion['Conditions']))
  const subject = first(assertion['Subject'])
  const skewMs = Math.min(Math.max(0, provider.skewMs), mostSkewMs)
  if (!many(subject?.['SubjectConfirmation']).some((each) => confirms(each, self, given.requestId, nowMs - skewMs)))
    refuse('No bearer confirmation of the subject is for this request and for us.')
  if (many(assertion['AuthnStatement']).length === 0) refuse('The assertion says of nobody that they signed in.')
  const nameId = textOf(first(subject?.['NameID']))
  const attributes = attributesOf(assertion)
  attributes.set('issuer', [issuer ?? ''])
  if (nameId !== undefined) attributes.set('NameID', [nameId])
  return attributes
}

function refuse(why: string): never {
  throw new NotBelieved(why)
}

// xml2js: a node is an object of lists of nodes, its attributes are `$`, its text is `_`.
interface Node {
  $?: Record<string, string>
  _?: string
  [name: string]: unknown
}
const many = (nodes: unknown): Node[] => (Array.isArray(nodes) ? (nodes as Node[]) : [])
const first = (nodes: unknown): Node | undefined => many(nodes)[0]
const textOf = (node: Node | string | undefined): string | undefined =>
  (typeof node === 'string' ? node : node?._)?.trim() || undefined

/** Says who may read it and until when; that we are among them, and in time, the library has checked. */
function requireConditions(conditions: Node | undefined): void {
  if (!conditions) return refuse('The assertion has no conditions.')
  if (many(conditions['AudienceRestriction']).length === 0) refuse('The assertion is for everybody.')
}

/** Keeping it is not proving it: the bearer has to come with the answer to our request, to our address, in time. */
function confirms(confirmation: Node, self: SamlSelf, requestId: string, nowMs: number): boolean {
  const data = first(confirmation['SubjectConfirmationData'])?.$
  if (confirmation.$?.['Method'] !== 'urn:oasis:names:tc:SAML:2.0:cm:bearer' || !data) return false
  const until = Date.parse(data['NotOnOrAfter'] ?? '')
  return (
    data['Recipient'] === self.answerUrl &&
    data['InResponseTo'] === requestId &&
    until > nowMs &&
    !('NotBefore' in data)
  )
}

function attributesOf(assertion: Node): Map<string, string[]> {
  const attributes = new Map<string, string[]>()
  for (const statement of many(assertion['AttributeStatement'])) {
    for (const attribute of many(statement['Attribute'])) {
      const values = many(attribute['AttributeValue'])
        .map((value) => textOf(value))
        .filter((value) => value !== undefined)
      for (const name of new Set([attribute.$?.['Name'], attribute.$?.['FriendlyName']]))
        if (name !== undefined && !reserved.has(name))
          attributes.set(name, [...(attributes.get(name) ?? []), ...values])
    }
  }
  return attributes
}
/** Ours to set: a provider that lets people choose the names of attributes must not choose these. */
const reserved = new Set(['NameID', 'issuer'])

const xmldsig = 'http://www.w3.org/2000/09/xmldsig#'
const algorithms = new Set([
  `${xmldsig}enveloped-signature`,
  'http://www.w3.org/2001/10/xml-exc-c14n#',
  'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
])

/**
 * Of what XML can do, what an answer needs: no document type, no comments (they cut texts in two), no other instructions;
 * signatures by what is not broken. Refused before any parser sees it.
 */
function requireHarmless(response: string): void {
  if (response.length > mostBytes) refuse('The answer is too long.')
  if (!/^[A-Za-z0-9+/=\s]+$/.test(response)) refuse('The answer is not base64.')
  const xml = Buffer.from(response, 'base64').toString('utf8')
  if (xml.includes('<!') || /<\?(?!xml\s)/.test(xml))
    refuse('The answer has what no answer needs: a comment, a document type.')
  if (xml.includes('EncryptedAssertion'))
    refuse('The assertion is encrypted, and we have no key: the provider has to leave that.')
  for (const [, , algorithm] of xml.matchAll(/\bAlgorithm\s*=\s*(["'])(.*?)\1/g))
    if (!algorithms.has(algorithm ?? '')) refuse(`The algorithm ${(algorithm ?? '').slice(0, 100)} is not accepted.`)
}
