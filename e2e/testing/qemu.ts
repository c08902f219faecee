import { readdirSync, readFileSync } from 'node:fs'

/** The processes of QEMU that run this server. */
export function qemuOf(serverId: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && runs(name, serverId))
    .map(Number)
}

function runs(pid: string, serverId: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return (words[0]?.includes('qemu-system') ?? false) && words.includes(serverId)
  } catch {
    return false // it has ended meanwhile
  }
}
