import { randomBytes } from 'node:crypto'
import type { Undo } from './cleanup.ts'
import { must, run } from './run.ts'

/** A network namespace with a loopback and nothing else: a machine without a cable. */
export async function makeNamespace(undo: Undo): Promise<string> {
  const name = `e2e-${randomBytes(3).toString('hex')}`
  await must('ip', ['netns', 'add', name])
  undo(() => must('ip', ['netns', 'delete', name]))
  await must('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return name
}

export const underlay = { server: '192.0.2.1', host: (number: number) => `192.0.2.${10 + number}` }

/** A bridge in the first namespace that joins it with the others, each with its address of `underlay`. */
export async function joinNamespaces(first: string, others: string[]): Promise<void> {
  const ip = (namespace: string, ...args: string[]) => must('ip', ['-n', namespace, ...args])
  await ip(first, 'link', 'add', 'underlay', 'type', 'bridge')
  await ip(first, 'address', 'add', `${underlay.server}/24`, 'dev', 'underlay')
  await ip(first, 'link', 'set', 'underlay', 'up')
  for (const [index, other] of others.entries()) {
    const leg = `leg${index}`
    await ip(first, 'link', 'add', leg, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', other)
    await ip(first, 'link', 'set', leg, 'master', 'underlay', 'up')
    await ip(other, 'address', 'add', `${underlay.host(index + 1)}/24`, 'dev', 'uplink')
    await ip(other, 'link', 'set', 'uplink', 'up')
  }
}

/** True when every one of `count` pings was answered. Busybox's ping: every machine that can build the guest has it. */
export async function pings(namespace: string, address: string, count = 2): Promise<boolean> {
  const { code, stdout } = await run('busybox', ['ping', '-c', String(count), '-W', '2', address], { namespace })
  return code === 0 && stdout.includes(' 0% packet loss')
}
