// POST /ec2tokens and /s3tokens: other services ask who signed a request that came to them.
import { type Static, Type } from 'typebox'
import { invalid, unauthenticated } from '#lib/fault.ts'
import { reply, route } from '#lib/http/route.ts'
import { issueByEc2 } from './ec2.ts'
import type { TokenReader } from './resolve.ts'
import { signRequest, signText } from './signature.ts'
import { showToken } from './shown.ts'

const text = Type.Optional(Type.String())
const Texts = Type.Optional(Type.Record(Type.String(), Type.String()))
const Signed = Type.Object({
  access: Type.String(),
  signature: Type.String(),
  host: text,
  verb: text,
  path: text,
  params: Texts,
  headers: Texts,
  body_hash: text,
  token: text,
})
// Keystone takes all three names
const Body = Type.Object({
  credentials: Type.Optional(Signed),
  credential: Type.Optional(Signed),
  ec2Credentials: Type.Optional(Signed),
})

function proofIn({ credentials, credential, ec2Credentials }: Static<typeof Body>): Static<typeof Signed> {
  return credentials ?? credential ?? ec2Credentials ?? unauthenticated('EC2 signature not supplied.')
}

/** `20150830T123600Z`, or ISO 8601. */
function signedAt(given: string | undefined): Date | undefined {
  if (given === undefined) return undefined
  const basic = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(given)
  const time = new Date(basic ? `${basic.slice(1, 4).join('-')}T${basic.slice(4).join(':')}Z` : given)
  return Number.isNaN(time.getTime()) ? unauthenticated('The time of the signature cannot be read.') : time
}

export function ec2TokenRoutes(reader: TokenReader) {
  return [
    route({
      method: 'POST',
      path: '/ec2tokens',
      policy: 'identity:ec2tokens_validate',
      body: Body,
      async handle({ world, body }) {
        const {
          access,
          signature,
          host = '',
          verb = 'GET',
          path = '/',
          params = {},
          headers = {},
          ...rest
        } = proofIn(body)
        const request = { verb, path, params, headers, bodyHash: rest.body_hash ?? '' }
        const { token, resolved } = await issueByEc2(world, reader, {
          access,
          signature,
          signedAt: signedAt(
            params['Timestamp'] ?? headers['X-Amz-Date'] ?? headers['x-amz-date'] ?? params['X-Amz-Date'],
          ),
          // some clients leave the port out of what they sign
          expected: (secret) =>
            [host, host.replace(/:\d+$/, '')].map((each) => signRequest({ ...request, host: each }, secret)),
        })
        const shown = await showToken(world, resolved)
        return reply({ status: 200, body: shown, headers: { 'x-subject-token': token } })
      },
    }),
    route({
      method: 'POST',
      path: '/s3tokens',
      policy: 'identity:s3tokens_validate',
      body: Body,
      async handle({ world, body }) {
        const { access, signature, token } = proofIn(body)
        const signed = Buffer.from(
          token ?? invalid('The string that was signed is missing (token).'),
          'base64',
        ).toString()
        const { resolved } = await issueByEc2(world, reader, {
          access,
          signature,
          signedAt: undefined,
          expected: (secret) => [signText(signed, secret)],
        })
        // without the token itself: the service is told who it is, not given their powers
        return showToken(world, resolved)
      },
    }),
  ]
}
