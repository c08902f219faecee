import { randomBytes } from 'node:crypto'
import { availableParallelism, networkInterfaces } from 'node:os'
import { type Credentials, findCredentials } from '../credentials.ts'
import { type DataDirectory, dataDirectory } from '../data-directory.ts'
import { formatListen, type Listen, parseCount, parseListen, readFlags } from '../options.ts'
import { stop } from '../trouble.ts'

/** Everything `up` was told, by flags and environment; flags win. */
export interface Settings {
  data: DataDirectory
  listen: Listen
  /** How clients reach the cloud, without a slash at the end. */
  publicUrl: string
  /** Where the S3 API listens, and how clients reach it; null: there is none. */
  s3: { listen: Listen; url: string } | null
  /** null: the embedded PostgreSQL in the data directory. */
  database: string | null
  /** The password of a new cloud's admin; null: a random one. */
  adminPassword: string | null
  /** Simulated hosts in place of this one; 0: none. */
  simHosts: number
  agent: boolean
  detach: boolean
  processes: number
}

const flags = {
  data: { type: 'string' },
  listen: { type: 'string' },
  database: { type: 'string' },
  sim: { type: 'string' },
  'no-agent': { type: 'boolean' },
  detach: { type: 'boolean' },
  processes: { type: 'string' },
  'public-url': { type: 'string' },
  's3-listen': { type: 'string' },
} as const

// Beyond this more processes cost memory and database connections before they gain anything; --processes overrides it.
const mostProcesses = 8

export function readSettings(args: string[], env: NodeJS.ProcessEnv): Settings {
  const { values } = readFlags('up', args, flags)
  const listen = parseListen(values.listen ?? env['PILEUS_LISTEN'] ?? '127.0.0.1:8700')
  const simHosts = values.sim === undefined ? 0 : parseCount('--sim', values.sim, 1)
  return {
    data: dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var'),
    listen,
    s3: s3Address(values['s3-listen'] ?? env['PILEUS_S3_LISTEN'], listen, env),
    publicUrl: (values['public-url'] ?? env['PILEUS_PUBLIC_URL'] ?? defaultUrl(listen, env)).replace(/\/+$/, ''),
    adminPassword: env['PILEUS_ADMIN_PASSWORD'] || null,
    database: checkDatabase(values.database ?? (env['PILEUS_DATABASE'] || undefined)),
    simHosts,
    agent: simHosts === 0 && values['no-agent'] !== true,
    detach: values.detach === true,
    processes:
      values.processes === undefined
        ? Math.min(availableParallelism(), mostProcesses)
        : parseCount('--processes', values.processes, 1),
  }
}

function s3Address(given: string | undefined, beside: Listen, env: NodeJS.ProcessEnv): Settings['s3'] {
  if (given === 'off' || given === '') return null
  const port = beside.port < 65_535 ? beside.port + 1 : beside.port - 1
  const listen = given === undefined ? { ...beside, port } : parseListen(given, '--s3-listen')
  return { listen, url: defaultUrl(listen, env) }
}

function checkDatabase(url: string | undefined): string | null {
  if (url === undefined) return null
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    stop(`--database wants a PostgreSQL URL such as postgres://user:password@host:5432/pileus.`, 2)
  return url
}

function defaultUrl(listen: Listen, env: NodeJS.ProcessEnv): string {
  const scheme = env['PILEUS_TLS_CERTIFICATE'] ? 'https' : 'http'
  const host = ['0.0.0.0', '::'].includes(listen.host) ? firstAddress() : listen.host
  return `${scheme}://${formatListen({ host, port: listen.port })}`
}

// Listening everywhere, clients elsewhere need an address that is not this machine's loopback.
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}

/** The admin's credentials: those of an earlier `up` with today's address, or new ones. */
export function adminCredentials(settings: Settings): Credentials & { isNew: boolean } {
  const known = findCredentials(settings.data)
  const authUrl = `${settings.publicUrl}/identity/v3`
  if (known) return { ...known, authUrl, isNew: false }
  return {
    authUrl,
    username: 'admin',
    password: settings.adminPassword ?? randomBytes(18).toString('base64url'),
    projectName: 'admin',
    userDomainName: 'Default',
    projectDomainName: 'Default',
    regionName: 'local',
    isNew: true,
  }
}
