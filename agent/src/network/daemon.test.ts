import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureDaemon, findProcess, stopDaemon } from './daemon.ts'

/** A stand-in for dnsmasq: it writes its pid file and waits. */
const program = `const fs = require('node:fs')
fs.writeFileSync(process.argv[1].replace(/config$/, 'pid'), String(process.pid))
process.send('up')
process.disconnect()
setInterval(() => {}, 1000)`

test('a daemon is kept while its files are the same, and found again by pid file and command line', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'pileus-daemon-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  let starts = 0
  const start = async (configPath: string): Promise<void> => {
    starts += 1
    const child = spawn(process.execPath, ['-e', program, configPath], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    t.after(() => child.kill('SIGKILL'))
    await once(child, 'message')
  }
  const pidFile = join(directory, 'pid')
  const configPath = join(directory, 'config')
  await ensureDaemon({ directory, files: { config: 'a', hosts: '1' }, start })
  const first = await findProcess(pidFile, configPath)
  await ensureDaemon({ directory, files: { config: 'a', hosts: '1' }, start })
  assert.equal(await findProcess(pidFile, configPath), first)
  assert.equal(starts, 1)

  await ensureDaemon({ directory, files: { config: 'a', hosts: '2' }, start })
  assert.notEqual(await findProcess(pidFile, configPath), first)
  assert.equal(starts, 2)
  assert.equal(await readFile(join(directory, 'hosts'), 'utf8'), '2')

  // The pid of some other process, as after a reboot, is not believed.
  await stopDaemon(directory)
  await ensureDaemon({ directory, files: { config: 'a' }, start })
  await stopDaemonProcessOnly(pidFile)
  await writeFile(pidFile, String(process.pid))
  assert.equal(await findProcess(pidFile, configPath), undefined)
  await ensureDaemon({ directory, files: { config: 'a' }, start })
  assert.equal(starts, 4)
  await stopDaemon(directory)
})

async function stopDaemonProcessOnly(pidFile: string): Promise<void> {
  process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL')
}
