// What names may hold, from when each change was asked for and answered: a reader may see the last change that was answered
// before it asked, and every change that was under way meanwhile. Nothing else, whoever wrote.

/** md5 of what an object holds; '' when there is none. */
export type Held = string

interface Change {
  held: Held
  began: number
  /** When it had been done for certain; infinite while it is under way. */
  ended: number
  isKnown: boolean
}

export interface History {
  /** Notes a change that is asked for now; say what came of it. */
  change(name: string, held: Held): { done(): void; refused(): void; unknown(): void }
  /** What somebody may have read who asked at `began` and was answered at `ended`. */
  may(name: string, began: number, ended: number): Set<Held>
  /** What it holds, where that is certain. */
  sure(name: string): Held | undefined
  /** Of names that are gone for certain. */
  forget(name: string): void
  names(): string[]
}

// A request whose answer did not come may still be carried out, by a database that was told everything: for so long.
const graceMs = 2000

export function history(): History {
  const changes = new Map<string, Change[]>()
  const of = (name: string) => changes.get(name) ?? [{ held: '', began: -1, ended: -1, isKnown: true }]

  const may = (name: string, began: number, ended: number) => {
    const all = of(name)
    const over = (change: Change) =>
      all.some((later) => later.isKnown && later.began > change.ended && later.ended < began)
    return new Set(all.filter((change) => change.began <= ended && !over(change)).map(({ held }) => held))
  }
  const sure = (name: string) => {
    const now = performance.now()
    const held = [...may(name, now, now)]
    return held.length === 1 ? held[0] : undefined
  }
  return {
    change(name, held) {
      const change: Change = { held, began: performance.now(), ended: Infinity, isKnown: false }
      const before = of(name)
      // what was over long ago nobody reads any more
      const longAgo = performance.now() - 300_000
      const kept = before.filter(
        ({ ended }) => !before.some((later) => later.isKnown && later.began > ended && later.ended < longAgo),
      )
      changes.set(name, [...kept, change])
      return {
        done() {
          change.ended = performance.now()
          change.isKnown = true
        },
        refused() {
          const rest = of(name).filter((each) => each !== change)
          changes.set(name, rest)
        },
        unknown() {
          change.ended = performance.now() + graceMs
        },
      }
    },
    may,
    sure,
    forget(name) {
      if (sure(name) === '') changes.delete(name)
    },
    names: () => [...changes.keys()],
  }
}
