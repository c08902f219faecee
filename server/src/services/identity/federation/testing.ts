// A real OpenID Connect provider on loopback for the tests, and a browser that signs in there.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { type Configuration, Provider } from 'oidc-provider'
import type { TestCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made } from '../testing.ts'

export const dashboard = 'https://dashboard.test/auth/websso/'
export const audience = 'urn:cloud'
export const client = { id: 'cloud', secret: 'the secret of the cloud: a+b' }
/** As people's own client is registered: keystoneauth sends the secret as it is, so it has nothing to escape. */
export const cli = { id: 'cli', secret: 'clients-own' }
export const authPath = '/OS-FEDERATION/identity_providers/acme/protocols/openid/auth'
export const ssoPath = '/identity/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/openid'

const people: Record<string, { password: string; email: string; groups: string[] }> = {
  jane: { password: "jane's", email: 'jane@acme.test', groups: ['developers', 'staff'] },
  bob: { password: "bob's", email: 'bob@acme.test', groups: ['staff'] },
}

export interface TestProvider {
  issuer: string
  /** A token signed by the provider's own key, or by `key`; good for an hour unless the claims say otherwise. */
  sign(claims: JWTPayload, header?: Record<string, unknown>, key?: CryptoKey): Promise<string>
  /** What the provider's token endpoint gives; the access token. */
  grant(form: Record<string, string>): Promise<string>
  /** How many requests came to a path. */
  asked(path: string): number
  /** Each person's groups may be changed. */
  people: typeof people
}

/** With a code flow for the cloud, client credentials and, as clients of Keystone want it, the password grant. */
export async function testProvider(t: Pick<TestContext, 'after'>, publicUrl: string): Promise<TestProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const own = structuredClone(people)
  const provider = makeProvider(issuer, `${publicUrl}${ssoPath}/callback`, jwk, own)
  const counts = new Map<string, number>()
  const answer = provider.callback()
  server.on('request', (req, res) => {
    const path = req.url?.split('?')[0] ?? ''
    counts.set(path, (counts.get(path) ?? 0) + 1)
    void (path.startsWith('/interaction/') ? interact(provider, req, res) : answer(req, res))
  })
  t.after(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return {
    issuer,
    people: own,
    asked: (path) => counts.get(path) ?? 0,
    sign: (claims, header = {}, key = privateKey) =>
      new SignJWT({
        iss: issuer,
        aud: audience,
        sub: 'jane',
        exp: Math.floor(Date.now() / 1000) + 3600,
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'first', ...header })
        .sign(key),
    async grant(form) {
      const authorization = `Basic ${Buffer.from(`${client.id}:${encodeURIComponent(client.secret)}`).toString('base64')}`
      const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization },
        body: new URLSearchParams(form),
      })
      const body = (await answer.json()) as { access_token?: string }
      return body.access_token ?? assert.fail(JSON.stringify(body))
    },
  }
}

function makeProvider(issuer: string, redirectUri: string, jwk: object, own: typeof people): Provider {
  const configuration: Configuration = {
    jwks: { keys: [jwk] } as NonNullable<Configuration['jwks']>,
    cookies: { keys: ['only for tests'] },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code', 'client_credentials', 'password'],
      },
      {
        client_id: cli.id,
        client_secret: cli.secret,
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials', 'password'],
      },
    ],
    scopes: ['openid', 'email', 'groups', 'cloud'],
    claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
    findAccount: (_ctx, sub) =>
      own[sub] && {
        accountId: sub,
        claims: async () => ({ sub, email: own[sub]!.email, groups: own[sub]!.groups }),
      },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'cloud', audience, accessTokenFormat: 'jwt' }),
      },
    },
  }
  const provider = new Provider(issuer, configuration)
  provider.registerGrantType<{ username?: string; password?: string; scope?: string }>(
    'password',
    async (ctx) => {
      const { username = '', password, scope = 'openid' } = ctx.oidc.params
      if (own[username]?.password !== password) {
        ctx.status = 400
        ctx.body = { error: 'invalid_grant' }
        return
      }
      const grant = new provider.Grant({ accountId: username, clientId: ctx.oidc.client.clientId })
      grant.addOIDCScope(scope)
      const token = new provider.AccessToken({
        accountId: username,
        client: ctx.oidc.client,
        grantId: await grant.save(),
        gty: 'password',
        scope,
      })
      ctx.body = { access_token: await token.save(), expires_in: token.expiration, token_type: 'Bearer', scope }
    },
    ['username', 'password', 'scope'],
  )
  return provider
}

/** Everybody is who they say (`login_hint`), and agrees. */
async function interact(provider: Provider, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { prompt, params } = await provider.interactionDetails(req, res)
  const accountId = String(params['login_hint'])
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId } })
  const grant = new provider.Grant({ accountId, clientId: client.id })
  grant.addOIDCScope(String(params['scope']))
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } })
}

/** The provider at a cloud: `acme`, with the protocol `openid` and this mapping. */
export async function register(
  cloud: TestCloud,
  provider: TestProvider,
  options: { oidc?: object; rules?: unknown[]; version?: string; idp?: object } = {},
): Promise<{ domainId: string }> {
  const admin = asAdmin(cloud)
  const rules = options.rules ?? [
    { local: [{ user: { name: '{0}' } }], remote: [{ type: 'HTTP_OIDC_SUB' }] },
    { local: [{ user: { email: '{0}' } }], remote: [{ type: 'OIDC-email' }] },
    { local: [{ groups: '{0}', domain: { id: 'default' } }], remote: [{ type: 'groups' }] },
  ]
  const idp = await made(
    admin.put('/OS-FEDERATION/identity_providers/acme', { identity_provider: { enabled: true, ...options.idp } }),
  )
  const mapping = { rules, ...(options.version && { schema_version: options.version }) }
  await made(admin.put('/OS-FEDERATION/mappings/acme', { mapping }))
  const oidc = {
    issuer: provider.issuer,
    client_id: client.id,
    client_secret: client.secret,
    scopes: ['openid', 'email', 'groups'],
    audiences: [client.id, cli.id, audience],
    ...options.oidc,
  }
  await made(
    admin.put('/OS-FEDERATION/identity_providers/acme/protocols/openid', { protocol: { mapping_id: 'acme', oidc } }),
  )
  return { domainId: String(idp['domain_id']) }
}

/** A browser at the provider: signs in, and gives the address to which it is sent back. */
export async function signInAtProvider(location: string, login: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = new URL(location)
  const { origin } = url
  url.searchParams.set('login_hint', login)
  for (let hop = 0; hop < 20; hop++) {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';')[0]!.split(/=(.*)/s)
      cookies.set(name, value)
    }
    url = new URL(answer.headers.get('location') ?? assert.fail(`${answer.status} ${await answer.text()}`), url)
    if (url.origin !== origin) return url
  }
  return assert.fail('the provider sends the browser round and round')
}
