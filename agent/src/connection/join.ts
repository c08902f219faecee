// Joining: once per host, with a token from the operator. Both sides prove that they know its secret.
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { JoinReply, type JoinRequest, joinedText, joinText } from '@pileus/contract/agent.ts'
import Value from 'typebox/value'
import { findMembership, type Membership, publicKeyOf, saveMembership } from './keys.ts'

/** The host cannot join as things are; the message is a sentence for the operator. */
export class JoinError extends Error {
  override name = 'JoinError'
}

export interface JoinOptions {
  dataDir: string
  server: string | null
  /** `<tokenId>.<secret>` */
  token: string | null
  name: string
  key: KeyObject
}

/** Who this host is in the cloud; joins when it has not yet. A second start needs neither token nor address. */
export async function ensureJoined(options: JoinOptions): Promise<Membership> {
  const { dataDir, server, token, name, key } = options
  const known = await findMembership(dataDir)
  if (known !== undefined) return server === null ? known : { ...known, server }
  if (token === null || server === null)
    throw new JoinError(
      'This host has not joined a cloud yet: start the agent once with --join TOKEN and --server URL.',
    )
  const membership = await joinCloud(server, token, name, key)
  await saveMembership(dataDir, membership)
  return membership
}

async function joinCloud(server: string, token: string, name: string, key: KeyObject): Promise<Membership> {
  const dot = token.indexOf('.')
  const tokenId = token.slice(0, dot)
  const secret = token.slice(dot + 1)
  const publicKey = publicKeyOf(key)
  const request: JoinRequest = { tokenId, name, publicKey, proof: proof(secret, joinText(tokenId, name, publicKey)) }
  const response = await fetch(`${server}/agent/v1/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(30_000),
  }).catch((cause: unknown) => {
    throw new JoinError(`The server ${server} does not answer: ${reason(cause)}.`, { cause })
  })
  const text = await response.text()
  if (!response.ok)
    throw new JoinError(`The server ${server} refused this host (${response.status}): ${text.slice(0, 500)}`)
  const reply = parse(text)
  if (!Value.Check(JoinReply, reply)) throw new JoinError(`${server} does not answer like a Pileus server.`)
  const { hostId, serverKey } = reply
  if (!isEqual(reply.proof, proof(secret, joinedText(hostId, serverKey, publicKey))))
    throw new JoinError(`${server} does not know the token's secret: it is not the server that issued the token.`)
  return { hostId, name, server, serverKey }
}

function proof(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** fetch hides the reason in `cause`. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
