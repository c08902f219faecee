import type { Cloud } from './cloud.ts'
import { until } from './until.ts'

/** kill -9; answers the process it was. */
export function kill(cloud: Cloud, name: string): number {
  const pid = cloud.pid(name)
  process.kill(pid, 'SIGKILL')
  return pid
}

/** Waits until the process of that name is another one than `before`, and the API is ready. */
export async function restarted(cloud: Cloud, name: string, before: number): Promise<void> {
  await until(`${name} is back`, async () => cloud.pid(name) !== before && isAlive(cloud.pid(name)))
  await until('the API is ready', async () => (await cloud.api.send('GET', '/readyz')).status === 200)
}

function isAlive(pid: number): boolean {
  return process.kill(pid, 0)
}
