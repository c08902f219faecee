import { readFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import type { DataDirectory } from './data-directory.ts'
import { stop, Trouble } from './trouble.ts'

export interface Credentials {
  authUrl: string
  username: string
  password: string
  projectName: string
  userDomainName: string
  projectDomainName: string
  regionName: string
}

const cloudName = 'pileus'

/** Writes clouds.yaml and openrc, readable by their owner alone. */
export async function writeCredentials(data: DataDirectory, credentials: Credentials): Promise<void> {
  await replaceSecret(data.cloudsYaml, cloudsYaml(credentials))
  await replaceSecret(data.openrc, openrc(credentials))
}

/** The credentials of this data directory's clouds.yaml; undefined when there is none yet. */
export function findCredentials(data: DataDirectory): Credentials | undefined {
  let text: string
  try {
    text = readFileSync(data.cloudsYaml, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Trouble(`${data.shown}/clouds.yaml cannot be read.`, 1, { cause: error })
  }
  return parseCloudsYaml(text) ?? stop(`${data.shown}/clouds.yaml does not have the form that 'pileus up' wrote.`)
}

/** What the OS_ variables say; undefined without OS_AUTH_URL. */
export function credentialsFromEnvironment(env: NodeJS.ProcessEnv): Credentials | undefined {
  if (!env['OS_AUTH_URL']) return undefined
  const need = (name: string) => env[name] || stop(`OS_AUTH_URL is set, but ${name} is not.`)
  return {
    authUrl: env['OS_AUTH_URL'],
    username: need('OS_USERNAME'),
    password: need('OS_PASSWORD'),
    projectName: env['OS_PROJECT_NAME'] || env['OS_TENANT_NAME'] || need('OS_PROJECT_NAME'),
    userDomainName: env['OS_USER_DOMAIN_NAME'] || 'Default',
    projectDomainName: env['OS_PROJECT_DOMAIN_NAME'] || 'Default',
    regionName: env['OS_REGION_NAME'] || 'local',
  }
}

/** OS_ variables win over the data directory's clouds.yaml. */
export function getCredentials(data: DataDirectory, env: NodeJS.ProcessEnv): Credentials {
  return (
    credentialsFromEnvironment(env) ??
    findCredentials(data) ??
    stop(`There is no cloud in ${data.shown} (no clouds.yaml) and OS_AUTH_URL is not set; start one with 'pileus up'.`)
  )
}

const keys = {
  authUrl: 'auth_url',
  username: 'username',
  password: 'password',
  projectName: 'project_name',
  userDomainName: 'user_domain_name',
  projectDomainName: 'project_domain_name',
} as const

function cloudsYaml(credentials: Credentials): string {
  const auth = Object.entries(keys).map(
    // JSON's strings are YAML's double-quoted ones.
    ([name, key]) => `      ${key}: ${JSON.stringify(credentials[name as keyof typeof keys])}`,
  )
  return [
    "# Written by 'pileus up'. Use it with: export OS_CLIENT_CONFIG_FILE=<this file> OS_CLOUD=pileus",
    'clouds:',
    `  ${cloudName}:`,
    '    auth:',
    ...auth,
    `    region_name: ${JSON.stringify(credentials.regionName)}`,
    '    identity_api_version: 3',
    '    interface: public',
    '',
  ].join('\n')
}

function parseCloudsYaml(text: string): Credentials | undefined {
  const read = (key: string): string | undefined => {
    const value = new RegExp(`^ +${key}: *(.*?) *$`, 'm').exec(text)?.[1]
    if (!value?.startsWith('"')) return value?.replace(/^'(.*)'$/, '$1')
    try {
      return String(JSON.parse(value))
    } catch {
      return undefined
    }
  }
  const [authUrl, username, password, projectName] = [keys.authUrl, keys.username, keys.password, keys.projectName].map(
    read,
  )
  if (!authUrl || !username || !password || !projectName) return undefined
  const userDomainName = read(keys.userDomainName) ?? 'Default'
  const projectDomainName = read(keys.projectDomainName) ?? 'Default'
  return {
    authUrl,
    username,
    password,
    projectName,
    userDomainName,
    projectDomainName,
    regionName: read('region_name') ?? 'local',
  }
}

/** A word for the shell that stands for exactly this text. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

function openrc(credentials: Credentials): string {
  const variables = {
    OS_AUTH_URL: credentials.authUrl,
    OS_USERNAME: credentials.username,
    OS_PASSWORD: credentials.password,
    OS_PROJECT_NAME: credentials.projectName,
    OS_USER_DOMAIN_NAME: credentials.userDomainName,
    OS_PROJECT_DOMAIN_NAME: credentials.projectDomainName,
    OS_REGION_NAME: credentials.regionName,
    OS_IDENTITY_API_VERSION: '3',
    OS_INTERFACE: 'public',
  }
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`)
  return `# Written by 'pileus up'. Use it with: . <this file>\n${exports.join('\n')}\n`
}

/** Writes a file that its owner alone may read. */
export async function replaceSecret(path: string, text: string): Promise<void> {
  const part = `${path}.part`
  await rm(part, { force: true }) // an old one might be open to others
  await writeFile(part, text, { mode: 0o600, flush: true })
  await rename(part, path)
}
