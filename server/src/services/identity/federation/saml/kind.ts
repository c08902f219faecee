// SAML 2.0 as a kind of protocol: web browser sign-in, asked for by HTTP-Redirect and answered by HTTP-POST.
import { readBytes } from '#lib/http/body.ts'
import type { Place, Presented, ProtocolKind } from '../auth/kind.ts'
import { refuse } from '../auth/refusal.ts'
import type { Spoken } from '../auth/sign-in.ts'
import { attributesOf } from './attributes.ts'
import { type SamlProvider, type SamlSelf, selfDescription, signInUrl } from './provider.ts'
import { NotBelieved, readResponse } from './response.ts'
import { samlSettings } from './settings.ts'

const usualSkewSeconds = 60
/** More than the longest answer that is looked at, with its base64 escaped. */
const mostFormKb = 512

function partiesOf({ protocol }: Spoken, place: Place): { self: SamlSelf; provider: SamlProvider } {
  const settings = samlSettings(protocol)
  if (!settings) return refuse(`The protocol ${protocol.id} has no SAML provider.`)
  return {
    self: { entityId: settings.sp_entity_id ?? place.descriptionUrl, answerUrl: place.returnUrl },
    provider: {
      entityId: settings.entity_id,
      signInUrl: settings.sso_url,
      certificates: settings.certificates,
      skewMs: (settings.clock_skew_seconds ?? usualSkewSeconds) * 1000,
    },
  }
}

/** An id in XML begins with no digit. As the sign-in's id travels as RelayState too, neither goes with another one's answer. */
const requestIdOf = (id: string) => `_${id}`

/** In the form that our own page posts. */
const postedAgain = 'posted_again'

export const saml: ProtocolKind = {
  isPosted: true,
  async attributesOf() {
    return refuse('By SAML people sign in with a browser: enhanced clients (ECP) are not served.')
  },
  async departure(_world, spoken, journey) {
    const { self, provider } = partiesOf(spoken, journey)
    return { location: await signInUrl(self, provider, requestIdOf(journey.id), journey.id), own: {} }
  },
  async readAnswer(presented) {
    const form = await readForm(presented)
    const response = form.get('SAMLResponse')
    const id = form.get('RelayState') ?? ''
    if (response === null) return refuse('The form has no SAMLResponse.')
    const again = { SAMLResponse: response, RelayState: id, [postedAgain]: 'yes' }
    return { id, fields: { response }, ...(!form.has(postedAgain) && { again }) }
  },
  async arrival(_world, spoken, { response = '' }, journey) {
    const { self, provider } = partiesOf(spoken, journey)
    try {
      return attributesOf(await readResponse(self, provider, { response, requestId: requestIdOf(journey.id) }))
    } catch (error) {
      if (error instanceof NotBelieved) return refuse(error.message, error.cause)
      throw error
    }
  },
  async describe(spoken, place) {
    const { self } = partiesOf(spoken, place)
    return { type: 'application/samlmetadata+xml', body: await selfDescription(self) }
  },
}

async function readForm({ headers, stream }: Presented): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(headers['content-type'] ?? ''))
    return refuse('The answer is not a form that was posted.')
  const bytes = await readBytes(stream, Number(headers['content-length'] ?? 0), mostFormKb)
  return new URLSearchParams(bytes.toString('utf8'))
}
