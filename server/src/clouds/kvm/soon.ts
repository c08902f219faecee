// Hints are many and their work is the same: it is done soon, once for all of them, and never twice at a time.

export interface Soon {
  /** Returns at once. */
  (): void
  /** No more; returns when the work under way has ended. */
  stop(): Promise<void>
}

/** `everyMs`: the least time between two beginnings of the work. */
export function soon(everyMs: number, work: () => Promise<void>, failed: (error: unknown) => void): Soon {
  let wanted = false
  let stopped = false
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let lastAtMs = 0

  const begin = () => {
    timer = undefined
    wanted = false
    lastAtMs = Date.now()
    running = work()
      .catch(failed)
      .finally(() => {
        running = undefined
        if (wanted) arm()
      })
  }
  const arm = () => {
    if (stopped || timer) return
    timer = setTimeout(begin, Math.max(0, lastAtMs + everyMs - Date.now()))
  }
  return Object.assign(
    () => {
      wanted = true
      if (!running) arm()
    },
    {
      async stop() {
        stopped = true
        clearTimeout(timer)
        await running
      },
    },
  )
}
