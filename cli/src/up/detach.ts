import { spawn } from 'node:child_process'
import { cliMain, nodeFlags } from '../programs.ts'
import { Trouble } from '../trouble.ts'

/** In the environment of the supervisor that `up --detach` leaves behind. */
export const detachedMark = 'PILEUS_DETACHED'

type Message = { say: string } | { ready: string } | { failed: string; exitCode: number }

/** Starts the supervisor in a session of its own, passes on what it says, and returns when the cloud is ready: the seconds that took. */
export async function startDetached(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, [...nodeFlags, cliMain, 'up', ...args], {
    env: { ...env, [detachedMark]: '1' },
    detached: true,
    // Nothing of ours stays open in it: whoever reads our output must see its end when we end.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const outcome = Promise.withResolvers<string>()
  child.on('error', outcome.reject)
  child.on('message', (message: Message) => {
    if ('say' in message) process.stdout.write(`${message.say}\n`)
    else if ('ready' in message) outcome.resolve(message.ready)
    else outcome.reject(new Trouble(message.failed, message.exitCode))
  })
  child.on('exit', (code, by) =>
    outcome.reject(new Trouble(`The start ended before it was complete (${by ?? `exit code ${code}`}).`)),
  )
  const interrupt = () => void child.kill('SIGTERM')
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  const seconds = await outcome.promise
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  child.disconnect()
  child.unref()
  return seconds
}

/** The supervisor's side of it. The parent leaves when it knows enough; then nobody listens, and that is no trouble. */
export function tellParent(message: Message): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
