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
import { kindOf } from './kinds.ts'
import { tokenPage } from './page.ts'
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
const spokenKind = (spoken: Spoken) =>
  kindOf(spoken) ?? refuse('This program was not told how to speak the protocol: it has no oidc settings.')

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

const returnUrl = (config: Config, { provider, protocol }: Spoken) =>
  `${ssoUrl(config)}/identity_providers/${encodeURIComponent(provider.id)}/protocols/${encodeURIComponent(protocol.id)}/callback`

function cookie(config: Config, id: string, value: string, seconds: number): string {
  const { protocol, pathname } = new URL(ssoUrl(config))
  const secure = protocol === 'https:' ? '; Secure' : ''
  return `pileus-sso-${id}=${value}; Path=${pathname}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`
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
  const at = { id: begun.id, returnUrl: returnUrl(world.config, spoken) }
  const { location, own } = await spokenKind(spoken).departure(world, spoken, at)
  const [key] = await reader.keys()
  if (!key) throw new Error('there is no token key: the database was not prepared')
  const sealed = sealBegun({ ...begun, own }, key)
  return reply({
    status: 302,
    headers: {
      location,
      'set-cookie': cookie(world.config, begun.id, sealed, beginningMs / 1000),
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
  const kind = spokenKind(spoken)
  const { id, fields } = await kind.readAnswer(presented)
  const begun = openBegun(cookieOf(req, id) ?? '', id, await reader.keys())
  if (!begun || begun.providerId !== req.params['idp'] || begun.protocolId !== req.params['protocol'])
    return refuse('The answer is not to anything that this browser began, or comes too late.')
  const isNew = await world.db.transaction((tx) => takeAnswer(tx, id, new Date(begun.expiresAtMs)))
  if (!isNew) return refuse('The answer was given before.')
  const journey = { id, returnUrl: returnUrl(world.config, spoken), own: begun.own }
  const attributes = await kind.arrival(world, spoken, fields, journey)
  const issued = await issue(req, reader, { ...spoken, attributes })
  if ('sealed' in issued) return refuse('The user has to prove more than the provider does, which a browser cannot.')
  const page = tokenPage(begun.origin, issued.token)
  return reply({
    status: 200,
    body: page.body,
    headers: { ...page.headers, 'set-cookie': cookie(world.config, id, '', 0) },
    signIn: { userId: issued.resolved.user.id, methods: issued.resolved.claims.methods },
  })
}

export function federatedAuthRoutes(reader: TokenReader) {
  const byClient = async (req: Asked): Promise<Reply> =>
    guarded(req, async () => {
      const spoken = await named(req)
      const { world, headers, query, stream } = req
      const attributes = await spokenKind(spoken).attributesOf(world, spoken, { headers, query, stream })
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
