import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { tinySpec } from '../real-guest.testing.ts'
import { ensureFolder, machineFolder, readState, writeState } from './folder.ts'
import type { Host } from './host.ts'
import { machineLoop } from './loop.ts'
import { nameArgument } from './process.ts'

test('a QEMU without a voice is looked at now and then, for ever, and its guest is not given up', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pileus-loop-'))
  t.after(() => rm(dataDir, { recursive: true }))
  const folder = machineFolder(dataDir, 'm1')
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: [], switch: false }
  await ensureFolder(folder, user)
  await writeState(folder, { ...(await readState(folder)), restartSerial: 0, started: true, bootId: 'b' })
  const qemu = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', nameArgument('m1')], { cwd: folder.path })
  t.after(() => qemu.kill('SIGKILL'))
  await once(qemu, 'spawn')

  const failed = new EventEmitter()
  let failures = 0
  const log = pino(
    { level: 'warn' },
    {
      write: () => {
        failures++
        failed.emit('again')
      },
    },
  )
  const host: Host = {
    dataDir,
    user,
    images: { folder: dataDir, ensure: () => Promise.reject(new Error('no image is wanted')), evict: async () => {} },
    taps: { tapFor: () => undefined },
    accelerator: 'tcg',
    machineType: 'q35',
    uefi: null,
    program: 'qemu-system-x86_64',
    namespace: async () => null,
    bootId: 'b',
    log,
  }
  const spec = tinySpec('m1', { imageId: 'i', format: 'raw', sizeBytes: 1, sha512: '' })
  // Many looks could be taken in the time of so much reading, were nothing waited for.
  const letOthersWork = async () => {
    for (let i = 0; i < 200; i++) await readState(folder)
  }
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const first = once(failed, 'again')
  const loop = machineLoop({ host, id: 'm1', wish: () => ({ generation: 1, spec }), changed: () => {} })
  await first
  // Time stands still but for us, so each further look needs a step of ours.
  for (let looks = 2; looks <= 12; looks++) {
    await letOthersWork()
    assert.equal(failures, looks - 1)
    const next = once(failed, 'again')
    t.mock.timers.tick(15_000)
    await next
  }
  await letOthersWork()
  assert.equal(failures, 12)
  const { doing, error } = loop.status().status
  assert.match(doing, /QEMU does not answer/)
  assert.equal(error, null)
  await loop.stop()
})
