// The agent put together: wishes come in, machines and network follow, reports go out.
import { access, chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReportedObject } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { CallError } from './connection/calls.ts'
import { connect, type Connection } from './connection/connection.ts'
import { ensureJoined } from './connection/join.ts'
import { loadKey } from './connection/keys.ts'
import type { Config } from './config.ts'
import { loadWishes, type Wishes } from './desired.ts'
import { probeHost, readPulse } from './facts/facts.ts'
import { isSafeId, listIfAny, removePartial } from './files.ts'
import { imageCache, imageFile } from './image/cache.ts'
import { consoleTail } from './machine/console.ts'
import { readDiagnostics } from './machine/diagnostics.ts'
import { machineFolder, machinesFolder, readState } from './machine/folder.ts'
import type { Host } from './machine/host.ts'
import { machines } from './machine/machines.ts'
import { serveMetadata } from './metadata/service.ts'
import { networkPlane, probeNetwork } from './network/index.ts'
import { networkLoop } from './network-loop.ts'
import { findQemuUser, type QemuUser } from './unprivileged.ts'

/** Starts the agent; the returned function stops it and leaves guests and network as they are. */
export async function startAgent(config: Config, version: string, log: Logger): Promise<() => Promise<void>> {
  const { dataDir } = config
  await mkdir(dataDir, { recursive: true, mode: 0o711 })
  // The QEMU user must be able to pass through to its own files; what is secret here has a mode of its own.
  await chmod(dataDir, 0o711)
  await removePartial(dataDir)
  const user = await findQemuUser(config.qemuUser)
  await openTunnelDevice(user, log)
  const { facts, qemu, uefi, why } = await probeHost(config, version, await probeNetwork())
  log.info({ accelerator: facts.hypervisor, why, qemu: qemu.machineType }, 'this host')

  const key = await loadKey(dataDir)
  const membership = await ensureJoined({ dataDir, server: config.server, token: config.join, name: config.name, key })
  const wishes = await loadWishes(dataDir, log)
  const plane = networkPlane(networkOptions(config, user, log))
  const images = await imageCache({
    folder: join(dataDir, 'images'),
    server: { url: membership.server, hostId: membership.hostId, key },
    user,
    limitBytes: config.imageCacheGb * 1024 ** 3,
    filesInUse: () => imagesInUse(dataDir, wishes),
    log,
  })
  const host: Host = {
    dataDir,
    user,
    images,
    taps: plane,
    accelerator: facts.hypervisor,
    machineType: qemu.machineType,
    uefi,
    program: qemu.program,
    namespace: async () => ((await exists(`/run/netns/${config.namespace}`)) ? config.namespace : null),
    bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    log,
  }
  // What changes before there is a connection is in the complete report after its greeting.
  let connection: Connection | undefined
  const report = (objects: ReportedObject[]) => {
    if (objects.length > 0) connection?.report(objects)
  }
  const guests = await machines({
    host,
    wish: (id) => wishes.machine(id),
    wished: wishes.machineIds(),
    changed: (ids) => report(guests.report(ids)),
  })
  const network = networkLoop({
    plane,
    wish: () => wishes.network(),
    changed: () => {
      report(network.report())
      guests.wakeAll()
    },
    log,
  })
  const closeMetadata = await serveMetadata({
    socketPath: join(dataDir, 'metadata.sock'),
    portAt: (networkId, address) => plane.portAt(networkId, address),
    isSettled: () => network.report().length > 0,
    findGuest: (machineId) => wishes.machine(machineId)?.spec ?? undefined,
    log,
  })
  connection = connect({
    membership,
    key,
    facts: { ...facts, name: membership.name },
    answers: {
      async 'machine.console'({ machineId, lines }) {
        if (guests.find(machineId) === undefined) throw new CallError(`There is no machine ${machineId} on this host.`)
        return { output: await consoleTail(machineFolder(dataDir, machineId), lines) }
      },
      async 'machine.diagnostics'({ machineId }) {
        const found = await readDiagnostics(host, machineId, guests.find(machineId)?.qmp())
        if (found === undefined) throw new CallError(`The machine ${machineId} does not run on this host.`)
        return found
      },
    },
    async obey(desired) {
      const changed = await wishes.take(desired)
      if (changed.network) network.wake()
      guests.wishesChanged(changed.machines)
    },
    reportAll: () => [...guests.report(), ...network.report()],
    pulse: () => readPulse(dataDir),
    log,
  })
  return async () => {
    await connection?.close()
    await closeMetadata()
    await Promise.all([guests.stop(), network.stop()])
  }
}

export function networkOptions(config: Config, user: QemuUser, log: Logger) {
  const { dataDir, namespace, tunnelAddress, physical } = config
  const metadataSocket = join(dataDir, 'metadata.sock')
  return { dataDir, namespace, tunnelAddress, physical, qemuUid: user.uid, metadataSocket, log }
}

/** What the machines of this host build on, and what they are about to. */
async function imagesInUse(dataDir: string, wishes: Wishes): Promise<Set<string>> {
  const used = new Set<string>()
  // Also those that nobody wishes for: they are left alone, so what they stand on must stay.
  const present = (await listIfAny(machinesFolder(dataDir))).filter(isSafeId)
  for (const id of new Set([...wishes.machineIds(), ...present])) {
    const spec = wishes.machine(id)?.spec
    const sources = [...(spec?.disks.map(({ image }) => image) ?? []), spec?.kernel, spec?.ramdisk]
    for (const source of sources) if (source !== null && source !== undefined) used.add(imageFile(source))
    const { disks } = await readState(machineFolder(dataDir, id))
    for (const { backing } of Object.values(disks)) if (backing !== null) used.add(backing.file)
  }
  return used
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** udev gives everyone the use of this device (a tap still opens for its owner only); hosts without udev do not. */
async function openTunnelDevice(user: QemuUser, log: Logger): Promise<void> {
  const path = '/dev/net/tun'
  const device = user.switch ? await stat(path).catch(() => undefined) : undefined
  if (device === undefined || (device.mode & 0o006) === 0o006) return
  await chmod(path, 0o666)
  log.warn({ path }, 'made the tunnel device usable for the QEMU user, as udev does')
}
