import { request, signIn } from './cloud/session.ts'
import { getCredentials } from './credentials.ts'
import { dataDirectory } from './data-directory.ts'
import { readFlags } from './options.ts'
import { stop } from './trouble.ts'

export async function host(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values, positionals } = readFlags('host', args, { data: { type: 'string' } }, { minimum: 1, maximum: 1 })
  if (positionals[0] !== 'token') stop(`'pileus host' knows only 'token', not '${positionals[0]}'.`, 2)
  const session = await signIn(getCredentials(dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var'), env))
  const reply = await request<{ token: string; expires_at: string }>(
    session,
    'POST',
    `${session.base}/agent/v1/join-tokens`,
    {},
  )
  process.stdout.write(`${reply.token}\n`)
  process.stderr.write(
    `Good until ${reply.expires_at}, on the new host: ./pileus agent --join ${reply.token}@${session.base}\n`,
  )
}
