// Keeps the metadata haproxy running with the doors that are wanted now; see metadata-proxy.ts for what it reads.
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readIfAny } from '../files.ts'
import { run } from '../run.ts'
import { ensureDirectory, findProcess, signalDaemon, stopDaemon, stopProcess, writeText } from './daemon.ts'
import { bindLine, type MetadataDoor, renderProxy } from './metadata-proxy.ts'
import { runIn } from './namespaces.ts'
import type { Plane } from './plane.ts'

export const proxyDirectory = (plane: Plane): string => join(plane.directory, 'proxy')

/** Requests are answered at every door, and at no other, once this returns; open ones are finished. */
export async function ensureProxy(
  plane: Plane,
  doors: readonly MetadataDoor[],
  fresh: ReadonlySet<string>,
): Promise<void> {
  const directory = proxyDirectory(plane)
  if (doors.length === 0) return stopDaemon(directory)
  await ensureDirectory(directory)
  const configPath = join(directory, 'config')
  const loadedPath = join(directory, 'loaded') // what the running process is known to have taken up
  const pidFile = join(directory, 'pid')
  const config = renderProxy(doors, plane.options.metadataSocket, directory)
  const loaded = (await readIfAny(loadedPath)) ?? ''
  const boundLines = new Set(loaded.split('\n'))
  const running = await findProcess(pidFile, configPath)

  // haproxy hands its listening sockets on by namespace *name*; those of a namespace made anew would be the dead one's.
  const stale = doors.some((door) => fresh.has(door.namespace) && boundLines.has(bindLine(door)))
  if (running !== undefined && !stale) {
    if (loaded === config) return
    const nextPath = join(directory, 'next')
    await writeText(nextPath, config)
    await run('haproxy', ['-c', '-q', '-f', nextPath])
    await writeText(configPath, config)
    await signalDaemon(directory, 'SIGUSR2')
    await waitUntilOpen(
      doors.filter((door) => !boundLines.has(bindLine(door))),
      doors,
    )
  } else {
    await stopProcess(pidFile, configPath)
    await writeText(configPath, config)
    await run('haproxy', ['-W', '-D', '-f', configPath, '-p', pidFile])
    await waitUntilOpen(doors, doors)
  }
  await writeText(loadedPath, config)
}

const openTimeoutMs = 10_000

/** Waits until each of the new doors listens; a namespace may hold several, told apart by interface. */
async function waitUntilOpen(opening: readonly MetadataDoor[], all: readonly MetadataDoor[]): Promise<void> {
  const deadline = Date.now() + openTimeoutMs
  for (const namespace of new Set(opening.map((door) => door.namespace))) {
    const expected = all.filter((door) => door.namespace === namespace).length
    while ((await listeners(namespace)) < expected) {
      if (Date.now() > deadline) throw new Error(`The metadata service did not open in ${namespace}.`)
      await pause(20)
    }
  }
}

// 169.254.169.254:80 in state LISTEN, as /proc/net/tcp writes it on a little- and on a big-endian machine.
const listening = /(FEA9FEA9|A9FEA9FE):0050 00000000:0000 0A/g

async function listeners(namespace: string): Promise<number> {
  const { stdout } = await runIn(namespace, 'cat', ['/proc/net/tcp'])
  return stdout.match(listening)?.length ?? 0
}
