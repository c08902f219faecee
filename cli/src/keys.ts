import { request, signIn } from './cloud/session.ts'
import { getCredentials } from './credentials.ts'
import { dataDirectory } from './data-directory.ts'
import { readFlags } from './options.ts'
import { stop } from './trouble.ts'

interface Rotated {
  keys: { token: number; credential: number; resealed: number }
}

/** New keys for tokens, credentials and objects. Nobody is logged out: what older keys sealed is read until it has expired. */
export async function keys(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const flags = { data: { type: 'string' } } as const
  const { values, positionals } = readFlags('keys', args, flags, { minimum: 1, maximum: 1 })
  if (positionals[0] !== 'rotate') stop(`'pileus keys' knows 'rotate'.`, 2)
  const credentials = getCredentials(dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var'), env)
  const session = await signIn(credentials, { system: true })
  const { keys: made } = await request<Rotated>(session, 'POST', `${session.base}/identity/v3/keys/rotate`)
  process.stdout.write(
    `Tokens are sealed with key ${made.token} from now on, credentials with key ${made.credential}; ` +
      `${made.resealed} stored secrets were sealed anew. The keys of encrypted objects follow in the background. Nobody was logged out.\n`,
  )
}
