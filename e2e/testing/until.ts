import { setTimeout as delay } from 'node:timers/promises'

const patienceMs = 120_000
const pauseMs = 200

/** Asks again and again until there is an answer (anything but undefined and false). Throws with the last error after two minutes. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + patienceMs
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      if (error instanceof Hopeless) throw error
      last = error
    }
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`, { cause: last })
    await delay(pauseMs)
  }
}

/** Thrown inside `until` when waiting longer makes no sense. */
export class Hopeless extends Error {}
