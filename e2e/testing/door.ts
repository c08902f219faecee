import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rmSync } from 'node:fs'
import type { Undo } from './cleanup.ts'
import { inNamespace } from './run.ts'

/** A unix socket through which the test reaches HOST:PORT as seen from a namespace that it is not in itself. */
export async function openDoor(undo: Undo, namespace: string, host: string, port: number): Promise<string> {
  const socketPath = join(tmpdir(), `pileus-door-${randomBytes(4).toString('hex')}`)
  const script = join(import.meta.dirname, 'door-process.ts')
  const [command, args] = inNamespace(namespace, process.execPath, [script, socketPath, host, String(port)])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  undo(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    rmSync(socketPath, { force: true })
  })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`no door to ${host}:${port} in ${namespace}`))),
  ])
  return socketPath
}
