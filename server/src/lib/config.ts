// Every setting there is. Read once by main.ts: file < environment PILEUS_* < flags; then frozen. Nothing else reads
// process.env.
import { readFileSync } from 'node:fs'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { parse as parseYaml } from 'yaml'

const ObjectBackend = Type.Union([
  Type.Object(
    {
      name: Type.String({ pattern: '^[a-z][a-z0-9-]*$' }),
      kind: Type.Literal('disk'),
      dirs: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
      copies: Type.Optional(Type.Integer({ minimum: 1 })),
      copiesMin: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      name: Type.String({ pattern: '^[a-z][a-z0-9-]*$' }),
      kind: Type.Literal('s3'),
      /** `https://s3.example.org`; the bucket is named in the path. */
      endpoint: Type.String({ pattern: '^https?://[^/]+$' }),
      region: Type.Optional(Type.String()),
      bucket: Type.String({ minLength: 1 }),
      prefix: Type.Optional(Type.String()),
      accessKey: Type.String({ minLength: 1 }),
      secretKey: Type.String({ minLength: 1 }),
    },
    { additionalProperties: false },
  ),
])
export type ObjectBackendSettings = Static<typeof ObjectBackend>
const ObjectClass = Type.Object(
  { name: Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }), backend: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
)

const Settings = Type.Object(
  {
    data: Type.String({ default: 'var', description: 'directory of everything that is not in the database' }),
    database: Type.String({
      default: '',
      description: 'PostgreSQL URL; empty: the embedded one in the data directory',
    }),
    listen: Type.String({
      default: '127.0.0.1:8700',
      pattern: '^\\S+:\\d{1,5}$',
      description: 'address and port of the API',
    }),
    publicUrl: Type.String({ default: '', description: 'how clients reach the API; empty: http(s)://<listen>' }),
    s3Listen: Type.String({
      default: '',
      pattern: '^(\\S+:\\d{1,5})?$',
      description: 'address and port of the S3 API; empty: there is none',
    }),
    s3Domains: Type.String({
      default: 'localhost',
      description: 'host names, separated by commas, whose sub-domains are buckets of the S3 API',
    }),
    s3WebsiteDomains: Type.String({
      default: '',
      description: 'host names, separated by commas, whose sub-domains are buckets as web sites (on s3Listen)',
    }),
    region: Type.String({ default: 'local', description: 'name of the region of our own hosts' }),
    role: Type.Enum(['api', 'worker', 'both'], { default: 'both', description: 'what this process does' }),
    simHosts: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'simulated hosts in the region instead of real ones',
    }),
    simLatencyMs: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'how long a simulated host takes for each call',
    }),
    databaseConnections: Type.Integer({ default: 8, minimum: 2, description: 'connections of one process' }),
    taskSlots: Type.Integer({ default: 32, minimum: 1, description: 'tasks that one process runs at once' }),
    tokenHours: Type.Number({ default: 12, minimum: 0.01, description: 'life of a token' }),
    passwordConcurrency: Type.Integer({ default: 2, minimum: 1, description: 'password hashes computed at once' }),
    // Rules for passwords; 0 or empty: none, which is Keystone's default ([security_compliance] there).
    passwordRegex: Type.String({ default: '', description: 'what every new password must match' }),
    passwordRegexHint: Type.String({
      default: '',
      description: 'the same in words, for those whose password does not',
    }),
    passwordDays: Type.Number({ default: 0, minimum: 0, description: 'after which a password has to be changed' }),
    passwordMinDays: Type.Number({
      default: 0,
      minimum: 0,
      description: 'before which a user may not change it again',
    }),
    passwordHistory: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 24,
      description: 'passwords not to be used again',
    }),
    passwordFirstUse: Type.Boolean({ default: false, description: 'a password that an admin set must be changed' }),
    lockoutAttempts: Type.Integer({ default: 0, minimum: 0, description: 'wrong passwords that lock a user out' }),
    lockoutSeconds: Type.Integer({ default: 1800, minimum: 1, description: 'for how long' }),
    inactiveDays: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'without a sign-in after which a user is disabled',
    }),
    addressAttempts: Type.Integer({
      default: 100,
      minimum: 0,
      description: 'failed sign-ins from one address, above 10 a minute, until it has to wait; 0: no end',
    }),
    directorySeconds: Type.Integer({
      default: 60,
      minimum: 0,
      description: 'for how long what a directory (LDAP) said of a user is believed before it is asked again',
    }),
    limitModel: Type.Enum(['flat', 'strict_two_level'], {
      default: 'flat',
      description: "unified limits: whether a domain's limit bounds those of its projects",
    }),
    enforceScope: Type.String({
      default: '',
      description: 'services that look at what a token is for (docs/policy.md), separated by commas; all: every one',
    }),
    trustedDashboards: Type.String({
      default: '',
      description:
        'addresses to which a browser that signed in by an identity provider may bring its token, separated by commas',
    }),
    plainProviders: Type.Boolean({
      default: false,
      description: 'identity providers may be asked by plain http, wherever they are',
    }),
    policyDir: Type.String({
      default: '',
      description: 'directory of <service>.yaml policy overrides (oslo.policy form)',
    }),
    tlsCertificate: Type.String({ default: '', description: 'PEM file; with tlsKey: serve HTTPS' }),
    tlsKey: Type.String({ default: '', description: 'PEM file' }),
    logLevel: Type.Enum(['trace', 'debug', 'info', 'warn', 'error'], { default: 'info' }),
    maxBodyKb: Type.Integer({ default: 1024, minimum: 1, description: 'largest JSON body accepted' }),
    auditDays: Type.Number({ default: 365, minimum: 0, description: 'days that audit records are kept; 0: for ever' }),
    keepDeletedDays: Type.Number({
      default: 30,
      minimum: 0,
      description: 'days that deleted servers stay in usage reports and history; 0: for ever',
    }),
    webhookHosts: Type.String({
      default: '',
      description:
        'hosts or addresses, separated by commas, of this network that users may name for webhooks; others must be public',
    }),
    objectEncryption: Type.Enum(['asked', 'all'], {
      default: 'asked',
      description: 'objects that are encrypted: those for which a request or a bucket asks, or all',
    }),
    objectDirs: Type.String({
      default: '',
      description: 'directories of object data, one for each disk, separated by commas; empty: objects in `data`',
    }),
    objectCopies: Type.Integer({ default: 1, minimum: 1, description: 'disks that each object is written to' }),
    objectCopiesMin: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'copies without which a write fails; 0: as many as objectCopies',
    }),
    objectScrubMbS: Type.Number({
      default: 20,
      minimum: 0,
      description: 'megabytes a second read to see that object data is still right; 0: not',
    }),
    objectScrubDays: Type.Number({ default: 7, minimum: 0, description: 'days from one such reading to the next' }),
    objectOrphanMinutes: Type.Number({
      default: 60,
      minimum: 0,
      description: 'minutes after which bytes that no object refers to are a killed writer’s, and removed',
    }),
    objectBackends: Type.Array(ObjectBackend, { default: [], description: 'further places for object data' }),
    objectClasses: Type.Array(ObjectClass, {
      default: [],
      description: 'storage classes and their backends, besides STANDARD, which is on `disk` unless it is said here',
    }),
    adminPassword: Type.String({ default: '', description: 'first start only: the password of user admin' }),
  },
  { additionalProperties: false },
)
export type Config = Readonly<Static<typeof Settings>>

const check = Compile(Settings)
// in the environment they are YAML, which JSON is too
const lists = new Set(['objectBackends', 'objectClasses'])
const words = (key: string) => key.replaceAll(/[A-Z]/g, (c) => `_${c}`).toUpperCase()

/**
 * Settings from a YAML file (`PILEUS_CONFIG`), the environment (`simHosts` is `PILEUS_SIM_HOSTS`) and flags, later ones
 * winning. Throws an Error with one sentence when one is unknown or wrong. Removes secrets from `env`.
 */
export function readConfig(env: Record<string, string | undefined>, flags: Record<string, unknown> = {}): Config {
  const given: Record<string, unknown> = {}
  const file = env['PILEUS_CONFIG']
  if (file) Object.assign(given, parseYaml(readFileSync(file, 'utf8')) ?? {})
  for (const key of Object.keys(Settings.properties)) {
    const value = env[`PILEUS_${words(key)}`]
    if (value !== undefined) given[key] = lists.has(key) ? (parseYaml(value) as unknown) : value
  }
  Object.assign(given, flags)
  const config = check.Default(check.Convert(given))
  if (!check.Check(config)) {
    const [first] = check.Errors(config)
    throw new Error(`Setting ${first?.instancePath.slice(1) || '?'}: ${first?.message ?? 'is wrong'}.`)
  }
  for (const secret of ['PILEUS_DATABASE', 'PILEUS_ADMIN_PASSWORD', 'PILEUS_OBJECT_BACKENDS']) delete env[secret]
  return Object.freeze(config)
}

const scopeNames = (config: Pick<Config, 'enforceScope'>) =>
  config.enforceScope
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

/** Whether a service looks at what a token is for, not only at its roles. */
export function enforcesScope(config: Pick<Config, 'enforceScope'>, service: string): boolean {
  const names = scopeNames(config)
  return names.includes('all') || names.includes(service)
}

/** Throws an Error for a service that there is not: a typo must not leave a cloud more open than meant. */
export function requireScopeNames(config: Pick<Config, 'enforceScope'>, services: readonly { name: string }[]): void {
  const known = ['all', ...services.map(({ name }) => name)]
  const unknown = scopeNames(config).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new Error(`Setting enforceScope: there is no service ${unknown}; there are ${known.join(', ')}.`)
}

/** The address clients use, without a slash at the end. */
export function publicUrl(config: Config): string {
  if (config.publicUrl) return config.publicUrl.replace(/\/+$/, '')
  return `${config.tlsCertificate ? 'https' : 'http'}://${config.listen}`
}
