// Suspending: the guest's memory and devices go to a file as a migration stream, and come back from it.
//
// The stream passes a unix socket, because QEMU's sandbox forbids it to start a program that would write the file.
import { constants, createWriteStream } from 'node:fs'
import { access, lchown, rename, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { Type } from 'typebox'
import { syncFile, syncFolder } from '../files.ts'
import type { QemuUser } from '../unprivileged.ts'
import type { Folder } from './folder.ts'
import type { Qmp } from './qmp.ts'

const Migration = Type.Object({ status: Type.Optional(Type.String()), 'error-desc': Type.Optional(Type.String()) })
const over = new Set([undefined, 'none', 'completed', 'failed', 'cancelled'])

export function memoryFile(folder: Folder): string {
  return join(folder.path, 'memory')
}

export async function isMemorySaved(folder: Folder): Promise<boolean> {
  return await access(memoryFile(folder), constants.R_OK).then(
    () => true,
    () => false,
  )
}

export async function dropMemory(folder: Folder): Promise<void> {
  await rm(memoryFile(folder), { force: true })
  await rm(`${memoryFile(folder)}.partial`, { force: true })
}

/** Stops the guest and writes its memory out; when it resolves, the file is whole. Throws, the guest paused, if not. */
export async function saveMemory(folder: Folder, user: QemuUser, qmp: Qmp, signal: AbortSignal): Promise<void> {
  await qmp.do('stop') // a guest that goes on writing would never be done
  await cancelMigration(qmp)
  await dropMemory(folder)
  const socketPath = folder.run('save.sock')
  await rm(socketPath, { force: true })
  const server = createServer()
  server.listen(socketPath)
  await once(server, 'listening')
  try {
    await lchown(socketPath, user.uid, user.gid) // a living QEMU owns this folder: never follow a link out of it
    const written = receive(server, `${memoryFile(folder)}.partial`)
    written.catch(() => {}) // when QEMU never connects, its own error is the better one
    await qmp.do('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
    await qmp.do('migrate', { uri: 'unix:run/save.sock' })
    try {
      await migrated(qmp, signal)
    } catch (error) {
      await cancelMigration(qmp)
      throw error
    }
    await written
  } finally {
    server.close()
    await rm(socketPath, { force: true })
  }
  await rename(`${memoryFile(folder)}.partial`, memoryFile(folder))
  await syncFolder(folder.path)
}

async function receive(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  const [socket] = (await once(server, 'connection')) as [Socket]
  await pipeline(socket, createWriteStream(path, { mode: 0o600 }))
  await syncFile(path)
}

async function migrated(qmp: Qmp, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { status, 'error-desc': why } = await qmp.ask(Migration, 'query-migrate')
    if (status === 'completed') return
    if (over.has(status)) throw new Error(`The memory could not be saved: ${why ?? status}`)
    signal.throwIfAborted()
    await pause(50)
  }
}

/** A save that an earlier agent began must be over before another begins: QEMU knows one at a time. */
async function cancelMigration(qmp: Qmp): Promise<void> {
  for (let asked = false; ; asked = true) {
    const { status } = await qmp.ask(Migration, 'query-migrate')
    if (over.has(status)) return
    if (!asked) await qmp.do('migrate_cancel')
    await pause(50)
  }
}
