import type { Logger } from 'pino'

/** What went wrong with which network or router, so that everything else can go on. */
export interface Faults {
  add(id: string, sentence: string): void
  /** Runs the work; an error becomes the fault of `id`, and undefined comes back. */
  attempt<T>(id: string, work: () => Promise<T>): Promise<T | undefined>
  has(id: string): boolean
  /** All sentences, or null when there are none. */
  summary(): string | null
}

export function collectFaults(log: Logger): Faults {
  const sentences = new Map<string, string>()
  const add = (id: string, sentence: string): void => {
    log.error({ id }, sentence)
    sentences.set(id, sentence)
  }
  return {
    add,
    async attempt(id, work) {
      try {
        return await work()
      } catch (error) {
        add(id, `${id}: ${error instanceof Error ? error.message : String(error)}`)
        return undefined
      }
    },
    has: (id) => sentences.has(id),
    summary: () => (sentences.size === 0 ? null : [...sentences.values()].join('\n')),
  }
}
