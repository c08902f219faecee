// SAML 2.0 web browser sign-in, the service provider's side, as pure functions: what is asked of a provider, what it answers,
// and what we say of ourselves. No table and no route: who began a sign-in, and that its answer is taken once, is their affair.
import type { SAML } from '@node-saml/node-saml'

export interface SamlProvider {
  /** As the provider names itself. */
  entityId: string
  /** Where browsers are sent, by the HTTP-Redirect binding. */
  signInUrl: string
  /** Those that it may sign with, as PEM or in base64 alone: several while it changes them. */
  certificates: readonly string[]
  /** How far its clock may be from ours; `mostSkewMs` at most. */
  skewMs: number
}
/** Ourselves, as that provider knows us. */
export interface SamlSelf {
  entityId: string
  /** Where answers are posted (assertion consumer service). */
  answerUrl: string
}

export const mostSkewMs = 300_000
/** An assertion that says nothing shorter is too old after it. */
const mostAgeMs = 600_000

/** What checks and writes SAML's XML; `requestId` names the one request of it. */
export async function library(self: SamlSelf, provider: SamlProvider, requestId: string): Promise<SAML> {
  const { SAML, ValidateInResponseTo } = await import('@node-saml/node-saml')
  return new SAML({
    issuer: self.entityId,
    audience: self.entityId,
    callbackUrl: self.answerUrl,
    entryPoint: provider.signInUrl,
    idpCert: [...provider.certificates],
    idpIssuer: provider.entityId,
    // either the response or the assertion has to be signed: it takes nothing but what a signature covers
    wantAuthnResponseSigned: false,
    wantAssertionsSigned: false,
    acceptedClockSkewMs: Math.min(Math.max(0, provider.skewMs), mostSkewMs),
    maxAssertionAgeMs: mostAgeMs,
    // checked against the one request that was sent (response.ts), not against a memory of this process
    validateInResponseTo: ValidateInResponseTo.never,
    generateUniqueId: () => requestId,
    identifierFormat: null,
    disableRequestedAuthnContext: true,
  })
}

/** The address that a browser is sent to: a request named `requestId`, which `relay` comes back with. */
export async function signInUrl(
  self: SamlSelf,
  provider: SamlProvider,
  requestId: string,
  relay: string,
): Promise<string> {
  return (await library(self, provider, requestId)).getAuthorizeUrlAsync(relay, undefined, {})
}

/** What providers want to know of us: XML. Enhanced clients (ECP) are not offered, so it names no such endpoint. */
export async function selfDescription(self: SamlSelf): Promise<string> {
  const any = { entityId: '', signInUrl: 'https://unused.invalid', certificates: ['unused'], skewMs: 0 }
  return (await library(self, any, '_unused')).generateServiceProviderMetadata(null, null)
}
