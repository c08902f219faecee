// Who signed a request. All that can be wrong with it has one answer, so that nobody learns which consumers there are.
import type { Database } from '#lib/db.ts'
import { invalid, unauthenticated } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'
import {
  type AccessToken,
  type Consumer,
  findAccessToken,
  findConsumer,
  findRequestToken,
  openSecrets,
  type RequestToken,
  timestampMs,
  useNonce,
} from './model.ts'
import { isSigned, oauthParameters } from './signature.ts'

export type SignedBy = Pick<Request, 'headers' | 'url' | 'query'> & { db: Database }
type Parameters = Readonly<Record<string, string>>

function required(parameters: Parameters, name: string): string {
  return parameters[name] || invalid(`The request needs ${name} in its Authorization header.`)
}

async function verify(
  { db, url, query }: SignedBy,
  parameters: Parameters,
  consumer: Consumer | undefined,
  token: RequestToken | AccessToken | undefined,
): Promise<void> {
  const [consumerSecret = '', tokenSecret = ''] = await openSecrets(db, consumer, token)
  const signed = isSigned({ method: 'POST', url, query, parameters }, consumerSecret, tokenSecret)
  const awayMs = Math.abs(Number(parameters['oauth_timestamp']) * 1000 - Date.now())
  const nonce = parameters['oauth_nonce'] ?? ''
  if (!consumer || !signed || !(awayMs <= timestampMs) || nonce === '' || nonce.length > 255) unauthenticated()
  if (!(await db.transaction((tx) => useNonce(tx, consumer.id, token?.id ?? '', nonce)))) unauthenticated()
}

/** The consumer that asks for a request token. Throws unauthenticated. */
export async function signedByConsumer(req: SignedBy): Promise<Consumer> {
  const parameters = oauthParameters(req.headers)
  const consumer = await findConsumer(req.db, required(parameters, 'oauth_consumer_key'))
  await verify(req, parameters, consumer, undefined)
  return consumer ?? unauthenticated()
}

/** The request token with which a consumer asks for an access token, authorized and verified. Throws unauthenticated. */
export async function signedByRequestToken(req: SignedBy): Promise<RequestToken> {
  const parameters = oauthParameters(req.headers)
  const consumer = await findConsumer(req.db, required(parameters, 'oauth_consumer_key'))
  const token = await findRequestToken(req.db, required(parameters, 'oauth_token'))
  const verifier = required(parameters, 'oauth_verifier')
  await verify(req, parameters, consumer, token)
  if (!token || token.consumerId !== consumer?.id || token.userId === null || token.verifier !== verifier)
    return unauthenticated()
  return token
}

/** The access token with which a consumer acts for a user. Throws unauthenticated. */
export async function signedByAccessToken(req: SignedBy): Promise<AccessToken> {
  const parameters = oauthParameters(req.headers)
  const token = await findAccessToken(req.db, required(parameters, 'oauth_token'))
  const consumer = await findConsumer(req.db, required(parameters, 'oauth_consumer_key'))
  await verify(req, parameters, consumer, token)
  return token && token.consumerId === consumer?.id ? token : unauthenticated()
}
