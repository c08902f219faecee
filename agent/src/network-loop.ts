// Keeps the data plane as the newest network document wants it.
import type { HostNetwork, NetworkStatus, ReportedObject } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import type { NetworkPlane } from './network/index.ts'

export interface NetworkLoop {
  wake(): void
  /** Empty until there was a first wish. */
  report(): ReportedObject[]
  /** Leaves the network as it is. */
  stop(): Promise<void>
}

export interface NetworkLoopOptions {
  plane: Pick<NetworkPlane, 'apply'>
  wish(): { generation: number; spec: HostNetwork } | undefined
  changed(): void
  log: Logger
}

// Whatever someone else does to the host's links is put right at the next look.
const idleMs = 60_000
const firstRetryMs = 500
const longestRetryMs = 15_000

export function networkLoop({ plane, wish, changed, log }: NetworkLoopOptions): NetworkLoop {
  let shown: { generation: number; status: NetworkStatus } | undefined
  let stopped = false
  let dirty = true
  let nudge = () => {}
  let failures = 0

  const pass = async (): Promise<number> => {
    const now = wish()
    if (now === undefined) return idleMs
    const status = await plane.apply(now.spec)
    failures = status.ready ? 0 : failures + 1
    const next = { generation: now.generation, status }
    if (JSON.stringify(next) !== JSON.stringify(shown)) {
      shown = next
      log.info(
        { generation: now.generation, ready: status.ready, ports: status.ports.length, error: status.error },
        'network',
      )
      changed()
    }
    return status.ready ? idleMs : Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs)
  }
  const running = (async () => {
    await Promise.resolve() // the caller first gets hold of what it was given
    while (!stopped) {
      dirty = false
      const againMs = await pass()
      if (dirty || stopped) continue
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, againMs)
        nudge = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      nudge = () => {}
    }
  })()
  return {
    wake() {
      dirty = true
      nudge()
    },
    report: () => (shown === undefined ? [] : [{ kind: 'network', id: 'host', ...shown }]),
    async stop() {
      stopped = true
      nudge()
      await running
    },
  }
}
