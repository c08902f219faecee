import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratch, type Undo } from './cleanup.ts'
import { type Cloud, launcher } from './cloud.ts'
import { inNamespace, must } from './run.ts'
import { until } from './until.ts'

interface Host {
  name: string
  namespace: string
  tunnelAddress: string
  /** Physical networks that this host reaches: `NAME=ADDRESS/PREFIX`. */
  physical?: string[]
}

/** Makes a namespace a host of the cloud, as `./pileus agent --join` does on another machine; all of it goes with the test. */
export async function joinHost(undo: Undo, cloud: Cloud, host: Host): Promise<void> {
  const { name, namespace, tunnelAddress, physical = [] } = host
  const data = join(await scratch(undo), 'var')
  const token = (await cloud.pileus('host', 'token')).trim()
  const env = { ...cloud.env, PILEUS_DATA: data, PILEUS_AGENT_NAMESPACE: namespace.replace('e2e-', 'plane-') }
  undo(() => must(launcher, ['agent', '--teardown'], { namespace, env }))
  const logFile = join(data, '../agent.log')
  const log = openSync(logFile, 'a')
  const wishes = ['--name', name, '--tunnel-address', tunnelAddress, '--memory-mb', '1024']
  const networks = physical.flatMap((each) => ['--physical', each])
  const [command, args] = inNamespace(namespace, launcher, [
    ...['agent', '--join', `${token}@${cloud.url}`, ...wishes, ...networks],
  ])
  const child = spawn(command, args, { env, stdio: ['ignore', log, log] })
  closeSync(log)
  undo(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  await until(`host ${name} is up`, async () => {
    if (child.exitCode !== null) throw new Error(readFileSync(logFile, 'utf8'))
    const { hypervisors } = await cloud.api.call<{ hypervisors: { hypervisor_hostname: string; state: string }[] }>(
      ...(['GET', '/compute/v2.1/os-hypervisors'] as const),
    )
    return hypervisors.some((each) => each.hypervisor_hostname === name && each.state === 'up')
  })
}
