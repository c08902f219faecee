import type { Database } from '#lib/db.ts'

/** What this process knows of identity until anything there changes. */
export interface Remembered<Value> {
  get(key: string): Value | undefined
  /** Whether something has changed since: what was read meanwhile is worth nothing later. */
  since(): { isCurrent(): boolean; keep(key: string, value: Value): void }
}

const mostKept = 10_000

/** `forgetting`: called with each change, for what the caller remembers besides. */
export function remembered<Value>(db: Database, forgetting: () => void = () => {}): Remembered<Value> {
  const kept = new Map<string, Value>()
  // Without ears nothing may be kept: a revocation could have been missed.
  let hears = false
  // What was being read while something changed must not be kept either.
  let changes = 0
  const forget = () => {
    changes++
    kept.clear()
    forgetting()
  }
  const turn = (next: boolean) => () => {
    hears = next
    forget()
  }
  db.subscribe('identity', forget, turn(true), turn(false))
  return {
    get: (key) => kept.get(key),
    since() {
      const before = changes
      const isCurrent = () => before === changes
      return {
        isCurrent,
        keep(key, value) {
          if (!hears || !isCurrent()) return
          if (kept.size >= mostKept) kept.delete(kept.keys().next().value!)
          kept.set(key, value)
        },
      }
    },
  }
}
