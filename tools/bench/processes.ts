// Processor time and memory of a cloud's processes: those of its pid files and all their descendants. The formats are
// those of proc(5).
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Node runs on

interface Stat {
  pid: number
  parent: number
  /** Its own time and that of the children that it has seen end. */
  cpuMs: number
}

/** CPU milliseconds that these processes have used so far. */
export function cpuMs(runFolder: string): number {
  return processes(runFolder).reduce((sum, stat) => sum + stat.cpuMs, 0)
}

/** Proportional set size in MB (10^6 bytes): shared pages count once. */
export function pssMb(runFolder: string): number {
  const kib = processes(runFolder).map(({ pid }) =>
    Number(/^Pss: +(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  )
  return (kib.reduce((sum, each) => sum + each, 0) * 1024) / 1e6
}

function processes(runFolder: string): Stat[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (statOf(name) ?? []) : []))
  const wanted = new Set(
    readdirSync(runFolder)
      .filter((name) => name.endsWith('.pid'))
      .map((name) => Number(read(join(runFolder, name)))),
  )
  for (let known = -1; known !== wanted.size;) {
    known = wanted.size
    // Guests and the data plane's daemons have been given to init, so they are not counted.
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid)
  }
  return all.filter(({ pid }) => wanted.has(pid))
}

function statOf(pid: string): Stat | undefined {
  const text = read(`/proc/${pid}/stat`)
  // The fields are counted behind the command's closing parenthesis: the first is the state, field 3 of proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 15) return undefined
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0)
  return { pid: Number(pid), parent: Number(fields[1]), cpuMs: (ticks * 1000) / ticksPerSecond }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended meanwhile
  }
}
