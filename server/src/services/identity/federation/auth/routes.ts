// Signing in by a provider: `…/auth` for clients that have its word already, `…/websso` for browsers, which are sent there for
// it. Whatever is wrong, and whether there is such a provider at all, a stranger gets the same 401; the log says why.
import { type Config, publicUrl } from '#lib/config.ts'
import { Fault, invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Reply, type Request, route } from '#lib/http/route.ts'
import { showToken } from '../../tokens/shown.ts'
import type { TokenReader } from '../../tokens/resolve.ts'
import { failSignIn, findSignIn, requirePatience } from '../../users/sign-in.ts'
import { findByRemoteId, findIdentityProvider } from '../identity-providers/model.ts'
import { findProtocol, listProtocolsNamed } from '../protocols/model.ts'
import { trustedDashboards } from './dashboards.ts'
import { begin, beginningMs, openBegun, sealBegun, takeAnswer } from './begun.ts'
import type { Place, ProtocolKind } from './kind.ts'
import { findKind } from './kinds.ts'
import { postingPage } from './page.ts'
import { refuse, whyRefused } from './refusal.ts'
import { issueVouched, type Spoken, type Vouched } from './sign-in.ts'

const protocolPath = '/identity_providers/:idp/protocols/:protocol'
const ssoPath = '/auth/OS-FEDERATION'
/** What a cookie of a sign-in is sent to is below it. */
const ssoUrl = (config: Config) => `${publicUrl(config)}/identity/v3${ssoPath}`

type Asked = Pick<Request, 'world' | 'log' | 'params' | 'query' | 'headers' | 'remoteAddress' | 'stream'>

/** Does it; a refusal is counted for the address, as a wrong password is, and told to the log. */
async function guarded<Result>(req: Asked, work: () => Promise<Result>): Promise<Result> {
  const { world, remoteAddress } = req
  requirePatience(world.config, await findSignIn(world, remoteAddress, { id: '' }))
  try {
    return await work()
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unauthenticated') {
      const why = whyRefused(error) ?? error.message
      req.log.info({ provider: req.params['idp'], protocol: req.params['protocol'], why }, 'federated sign-in refused')
      await failSignIn(world, remoteAddress, { user: undefined, open: false })
    }
    throw error
  }
}

async function spokenAt({ world: { db } }: Asked, providerId: string, protocolId: string): Promise<Spoken> {
  const provider = await findIdentityProvider(db, providerId)
  const protocol = await findProtocol(db, { providerId, id: protocolId })
  if (!provider || !protocol) return refuse('There is no such provider, or it does not have this protocol.')
  return provider.enabled ? { provider, protocol } : refuse('The provider is disabled.')
}
const named = (req: Asked) => spokenAt(req, req.params['idp'] ?? '', req.params['protocol'] ?? '')
const kindOf = async (spoken: Spoken): Promise<ProtocolKind> =>
  (await findKind(spoken)) ??
  refuse('This program was not told how to speak the protocol: it has neither oidc nor saml settings.')

async function issue(req: Asked, reader: TokenReader, vouched: Vouched) {
  return issueVouched(req.world, reader, vouched, req.remoteAddress)
}

/** Throws invalid without one, unauthenticated for one that the operator does not trust. */
function originOf({ query, world }: Asked): string {
  const origin = one(query, 'origin')
  if (origin === undefined || origin === '') return invalid('Request must have an origin query parameter.')
  const { href } = URL.parse(origin) ?? {}
  return trustedDashboards(world.config).find((each) => each === href) ?? notTrusted(origin)
}
function notTrusted(origin: string): never {
  throw new Fault('unauthenticated', `${origin.slice(0, 200)} is not a trusted dashboard host.`)
}

function placeOf(config: Config, { provider, protocol }: Spoken): Place {
  const url = `${ssoUrl(config)}/identity_providers/${encodeURIComponent(provider.id)}/protocols/${encodeURIComponent(protocol.id)}`
  return { returnUrl: `${url}/callback`, descriptionUrl: `${url}/metadata` }
}

interface SignInCookie {
  id: string
  value: string
  seconds: number
  isPosted: boolean
}
/** Browsers take SameSite=None by https only; elsewhere an answer that was posted is posted again, by our own page. */
function cookie(config: Config, { id, value, seconds, isPosted }: SignInCookie): string {
  const { protocol, pathname } = new URL(ssoUrl(config))
  const isSecure = protocol === 'https:'
  const sameSite = isSecure && isPosted ? 'None' : 'Lax'
  return `pileus-sso-${id}=${value}; Path=${pathname}; Max-Age=${seconds}; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}`
}
function cookieOf({ headers }: Asked, id: string): string | undefined {
  const name = `pileus-sso-${id}=`
  return headers.cookie
    ?.split('; ')
    .find((each) => each.startsWith(name))
    ?.slice(name.length)
}

/** Sends the browser to the provider. */
async function depart(req: Asked, reader: TokenReader, spoken: Spoken, origin: string): Promise<Reply> {
  const { world } = req
  const begun = begin({ providerId: spoken.provider.id, protocolId: spoken.protocol.id, origin, own: {} })
  const kind = await kindOf(spoken)
  const at = { id: begun.id, ...placeOf(world.config, spoken) }
  const { location, own } = await kind.departure(world, spoken, at)
  const [key] = await reader.keys()
  if (!key) throw new Error('there is no token key: the database was not prepared')
  const value = sealBegun({ ...begun, own }, key)
  const { isPosted } = kind
  return reply({
    status: 302,
    headers: {
      location,
      'set-cookie': cookie(world.config, { id: begun.id, value, seconds: beginningMs / 1000, isPosted }),
      'cache-control': 'no-store',
    },
  })
}

/** Of several providers with the protocol, the one that calls itself `iss`; otherwise the only one there is. */
async function onlySpoken(req: Asked): Promise<Spoken> {
  const { world, query, params } = req
  const protocolId = params['protocol'] ?? ''
  const issuer = one(query, 'iss')
  if (issuer !== undefined) {
    const provider = await findByRemoteId(world.db, issuer)
    return provider
      ? spokenAt(req, provider.id, protocolId)
      : refuse(`No provider calls itself ${issuer.slice(0, 200)}.`)
  }
  const spoken: Spoken[] = []
  for (const protocol of await listProtocolsNamed(world.db, protocolId)) {
    const provider = await findIdentityProvider(world.db, protocol.providerId)
    if (provider?.enabled && protocol.kind !== null) spoken.push({ provider, protocol })
  }
  const [only, ...others] = spoken
  return only && others.length === 0 ? only : refuse(`${spoken.length} providers have this protocol, not one.`)
}

/** The browser is back with the provider's answer. */
async function arrive(req: Asked, reader: TokenReader): Promise<Reply> {
  const { world } = req
  const presented = { headers: req.headers, query: req.query, stream: req.stream }
  const spoken = await named(req)
  const kind = await kindOf(spoken)
  const place = placeOf(world.config, spoken)
  const { id, fields, again } = await kind.readAnswer(presented)
  const sealed = cookieOf(req, id)
  // the browser may only have kept it to itself, for the form came from the provider's page
  if (sealed === undefined && again) return reply({ ...postingPage(place.returnUrl, again), isHalfway: true })
  const begun = openBegun(sealed ?? '', id, await reader.keys())
  if (!begun || begun.providerId !== req.params['idp'] || begun.protocolId !== req.params['protocol'])
    return refuse('The answer is not to anything that this browser began, or comes too late.')
  const isNew = await world.db.transaction((tx) => takeAnswer(tx, id, new Date(begun.expiresAtMs)))
  if (!isNew) return refuse('The answer was given before.')
  const attributes = await kind.arrival(world, spoken, fields, { id, ...place, own: begun.own })
  const issued = await issue(req, reader, { ...spoken, attributes })
  if ('sealed' in issued) return refuse('The user has to prove more than the provider does, which a browser cannot.')
  const page = postingPage(begun.origin, { token: issued.token })
  const gone = cookie(world.config, { id, value: '', seconds: 0, isPosted: kind.isPosted })
  return reply({
    status: 200,
    body: page.body,
    headers: { ...page.headers, 'set-cookie': gone },
    signIn: { userId: issued.resolved.user.id, methods: issued.resolved.claims.methods },
  })
}

/** What a provider is told of us. */
async function describe(req: Asked): Promise<Reply> {
  const spoken = await named(req)
  const { describe } = await kindOf(spoken)
  if (!describe) return refuse('The protocol has no description of us: a provider is told by hand.')
  const { type, body } = await describe(spoken, placeOf(req.world.config, spoken))
  return reply({ status: 200, body, headers: { 'content-type': type } })
}

export function federatedAuthRoutes(reader: TokenReader) {
  const byClient = async (req: Asked): Promise<Reply> =>
    guarded(req, async () => {
      const spoken = await named(req)
      const { world, headers, query, stream } = req
      const attributes = await (await kindOf(spoken)).attributesOf(world, spoken, { headers, query, stream })
      const issued = await issue(req, reader, { ...spoken, attributes })
      if ('sealed' in issued)
        return reply({ status: 401, body: issued.body, headers: { 'openstack-auth-receipt': issued.sealed } })
      return reply({
        status: 201,
        body: await showToken(req.world, issued.resolved),
        headers: { 'x-subject-token': issued.token, vary: 'X-Auth-Token' },
      })
    })
  const byBrowser = async (req: Asked, find: (req: Asked) => Promise<Spoken>): Promise<Reply> => {
    const origin = originOf(req)
    return guarded(req, async () => depart(req, reader, await find(req), origin))
  }
  const doors = [
    { path: `/OS-FEDERATION${protocolPath}/auth`, signsIn: true, handle: byClient },
    { path: `${ssoPath}/websso/:protocol`, handle: (req: Asked) => byBrowser(req, onlySpoken) },
    { path: `${ssoPath}${protocolPath}/websso`, handle: (req: Asked) => byBrowser(req, named) },
    {
      path: `${ssoPath}${protocolPath}/callback`,
      signsIn: true,
      handle: (req: Asked) => guarded(req, () => arrive(req, reader)),
    },
  ]
  return [
    // what is in a body, if anything, is the kind's to read
    ...doors.flatMap((door) =>
      (['GET', 'POST'] as const).map((method) => route({ ...door, method, policy: 'public', stream: true })),
    ),
    route({
      method: 'GET',
      path: `${ssoPath}${protocolPath}/metadata`,
      policy: 'public',
      handle: (req: Asked) => guarded(req, () => describe(req)),
    }),
    // Keystone as an identity provider for other clouds: it would have to make assertions of its own
    ...(
      [
        ['GET', '/OS-FEDERATION/saml2/metadata'],
        ['POST', `${ssoPath}/saml2`],
        ['POST', `${ssoPath}/saml2/ecp`],
      ] as const
    ).map(([method, path]) =>
      route({
        method,
        path,
        policy: 'public',
        async handle() {
          throw new Fault('notImplemented', 'This cloud vouches for nobody at other ones: it makes no SAML assertions.')
        },
      }),
    ),
  ]
}
