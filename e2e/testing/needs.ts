// What these tests need of a machine. Where something is missing they are skipped, and say what.
import { accessSync } from 'node:fs'
import { delimiter, join } from 'node:path'

type Need = 'root' | 'client' | 'guest' | 'awscli' | 'boto3' | 's3cmd' | 'rclone' | 'swift'

const programs: Record<Need, string[]> = {
  root: ['ip', 'nsenter', 'busybox'],
  client: ['openstack', 'ssh', 'ssh-keygen', 'openssl'],
  awscli: ['/usr/bin/aws'],
  boto3: ['/usr/lib/python3/dist-packages/boto3'],
  s3cmd: ['s3cmd'],
  rclone: ['rclone'],
  swift: ['swift', 'rclone'],
  guest: ['qemu-system-x86_64', 'qemu-img', 'nft', 'dnsmasq', 'haproxy', 'conntrack', 'arping'],
}
const path = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
const installed = (program: string) =>
  program.startsWith('/') ? isThere(program) : path.some((folder) => isThere(join(folder, program)))

/** Why a test with these needs cannot run here; false when it can. */
export function whyNot(...needs: Need[]): string | false {
  if ((needs.includes('root') || needs.includes('guest')) && process.getuid?.() !== 0) return 'needs root'
  const missing = needs.flatMap((need) => programs[need]).filter((program) => !installed(program))
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  if (!needs.includes('guest')) return false
  if (!isThere('/dev/net/tun')) return 'needs /dev/net/tun'
  return isThere(guestImage) ? false : 'PILEUS_GUEST_IMAGE names no guest image (./pileus test builds one)'
}

/** The guest that the tests boot. */
export const guestImage = process.env['PILEUS_GUEST_IMAGE'] ?? ''

function isThere(file: string): boolean {
  try {
    accessSync(file)
    return true
  } catch {
    return false
  }
}
