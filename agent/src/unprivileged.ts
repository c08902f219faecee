// Programs that meet a stranger's bytes run as a user that owns nothing else.
import { readFile, stat } from 'node:fs/promises'
import { run, type RunOptions, type RunResult } from './run.ts'

/** uid and gid that QEMU and qemu-img run as; `switch` is false when the agent is that user already. */
export interface QemuUser {
  uid: number
  gid: number
  /** Further groups: the one that may open /dev/kvm. */
  groups: number[]
  switch: boolean
}

/** Finds the user by name or number. An agent that is not root can only use itself. */
export async function findQemuUser(nameOrUid: string): Promise<QemuUser> {
  const ownUid = process.getuid?.() ?? 0
  if (ownUid !== 0) return { uid: ownUid, gid: process.getgid?.() ?? ownUid, groups: [], switch: false }
  const groups = await kvmGroup()
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const found = lines.find(([name, , uid]) => name === nameOrUid || uid === nameOrUid)
  if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]), groups, switch: true }
  if (!/^[1-9]\d*$/.test(nameOrUid)) throw new Error(`There is no user ${nameOrUid} on this host (--qemu-user).`)
  return { uid: Number(nameOrUid), gid: Number(nameOrUid), groups, switch: true }
}

async function kvmGroup(): Promise<number[]> {
  const device = await stat('/dev/kvm').catch(() => undefined)
  return device !== undefined && device.gid !== 0 && (device.mode & 0o060) === 0o060 ? [device.gid] : []
}

/** The words to put before a command so that it runs as the user, without a way back. */
export function asUser(user: QemuUser): string[] {
  if (!user.switch) return []
  const groups = user.groups.length === 0 ? ['--clear-groups'] : ['--groups', user.groups.join(',')]
  return ['setpriv', '--reuid', `${user.uid}`, '--regid', `${user.gid}`, ...groups, '--inh-caps=-all', '--no-new-privs']
}

// Enough for any honest image; a hostile one that asks for more loses.
const addressSpaceBytes = 1024 * 1024 * 1024
const cpuSeconds = 60

/** Runs a program as the user, with limits on memory and processor time. */
export function runLimited(user: QemuUser, cmd: string, args: string[], options?: RunOptions): Promise<RunResult> {
  const limits = [`--as=${addressSpaceBytes}`, `--cpu=${cpuSeconds}`, '--core=0']
  return run('prlimit', [...limits, ...asUser(user), cmd, ...args], options)
}
