// The S3 API's keys for the first user, in a file beside clouds.yaml and openrc.
import { readFileSync } from 'node:fs'
import { request, type Session } from '../cloud/session.ts'
import { quote, replaceSecret } from '../credentials.ts'
import type { Settings } from './settings.ts'

interface Keys {
  access: string
  secret: string
}

/** Writes `s3rc`: the keys that an earlier `up` wrote with today's address, or new ones. Nothing where there is no S3 API. */
export async function writeS3Credentials(session: Session, { data, s3 }: Settings): Promise<void> {
  if (s3 === null) return
  const keys = findKeys(data.s3rc) ?? (await makeKeys(session))
  const variables = {
    AWS_ACCESS_KEY_ID: keys.access,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_ENDPOINT_URL_S3: s3.url,
    // the clients of AWS know two names for it
    AWS_REGION: 'local',
    AWS_DEFAULT_REGION: 'local',
  }
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`)
  await replaceSecret(data.s3rc, `# Written by 'pileus up'. Use it with: . <this file>\n${exports.join('\n')}\n`)
}

function findKeys(path: string): Keys | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const read = (name: string) => new RegExp(`^export ${name}='([^']+)'$`, 'm').exec(text)?.[1]
  const [access, secret] = [read('AWS_ACCESS_KEY_ID'), read('AWS_SECRET_ACCESS_KEY')]
  return access === undefined || secret === undefined ? undefined : { access, secret }
}

async function makeKeys(session: Session): Promise<Keys> {
  const url = `${session.base}/identity/v3/users/${session.userId}/credentials/OS-EC2`
  const body = { tenant_id: session.projectId }
  return (await request<{ credential: Keys }>(session, 'POST', url, body)).credential
}
