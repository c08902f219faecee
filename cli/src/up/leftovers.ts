import { setTimeout as delay } from 'node:timers/promises'
import type { DataDirectory } from '../data-directory.ts'
import { isAlive, livePid, pidFile, pidNames, removePid } from '../pid-file.ts'
import { programs } from '../programs.ts'

/** What must be in the command line of the process behind each pid file. */
export function marksOf(name: string): string[] {
  if (name === 'supervisor') return [programs.cli, 'up']
  if (name === 'postgres') return ['postgres']
  return [name === 'agent' ? programs.agent : programs.server]
}

/** Stops servers and agents that an ended supervisor left running. PostgreSQL may stay: it is found again. */
export async function stopLeftovers(data: DataDirectory, graceMs: number): Promise<string[]> {
  const left: { name: string; pid: number }[] = []
  for (const name of await pidNames(data.run)) {
    if (name === 'postgres' || name === 'supervisor') continue
    const pid = livePid(pidFile(data.run, name), marksOf(name))
    if (pid === undefined) removePid(pidFile(data.run, name))
    else left.push({ name, pid })
  }
  for (const { pid } of left) signal(pid, 'SIGTERM')
  const until = performance.now() + graceMs
  while (left.some(({ pid }) => isAlive(pid))) {
    if (performance.now() > until) for (const { pid } of left) signal(pid, 'SIGKILL')
    await delay(20)
  }
  for (const { name } of left) removePid(pidFile(data.run, name))
  return left.map(({ name }) => name)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended meanwhile.
  }
}
