import { join } from 'node:path'
import { type Ended, must, run } from './run.ts'
import { until } from './until.ts'

/** Makes a key pair and answers the private key's path; the public one is `<path>.pub`. */
export async function makeKey(folder: string): Promise<string> {
  const path = join(folder, 'id_ed25519')
  await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  return path
}

export interface Login {
  namespace: string
  key: string
  address: string
}

const sshOptions = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'LogLevel=ERROR',
  'BatchMode=yes',
  'ConnectTimeout=10',
].flatMap((option) => ['-o', option])

/** One command in the guest, however it ends; ssh's own failures end with 255. */
export function tryInGuest({ namespace, key, address }: Login, command: string): Promise<Ended> {
  return run('ssh', ['-i', key, ...sshOptions, `cirros@${address}`, command], { namespace, timeoutMs: 60_000 })
}

/** One command in the guest, which must succeed. */
export async function inGuest(login: Login, command: string): Promise<string> {
  const { code, stdout, stderr } = await tryInGuest(login, command)
  if (code !== 0) throw new Error(`in the guest: ${command} ended with ${code}\n${stdout}${stderr}`)
  return stdout
}

/** Waits until the guest lets us in. */
export function untilLogin(login: Login): Promise<string> {
  return until(`ssh to ${login.address}`, () => inGuest(login, 'cat /proc/uptime'))
}
