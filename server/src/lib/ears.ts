// Hears what other processes publish, on a connection of its own, and knows when it does not. A connection that was cut says
// so; one that merely went silent (a firewall that forgot it, a host that is gone) is found by asking: LISTEN again and
// again, which on a connection that listens already does nothing.
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect } from '#lib/connect.ts'
import type { Log } from '#lib/log.ts'

export interface Hearing {
  heard(payload: string): void
  /** From now on everything is heard; whatever was said before may have been missed. */
  hears(): void
  /** What is said now may not be heard. */
  deaf(): void
}

const channel = 'pileus'
const beatMs = 300
/** A beat that is not answered by then: deaf, though it may be answered yet. Both together are less than a second. */
const patienceMs = 400
const givenUpMs = 5000

/** Listens until it is closed, through whatever happens to the connection. */
export function openEars(url: string, log: Log, hearing: Hearing): { close(): Promise<void> } {
  const closing = new AbortController()
  let client: Client | undefined
  let hears = false
  const turn = (next: boolean) => {
    if (next === hears) return
    hears = next
    if (next) hearing.hears()
    else hearing.deaf()
  }
  const end = async () => {
    const ended = client
    client = undefined
    await ended?.end({ timeout: 0 })
  }
  const open = (): Client => {
    const made: Client = connect(url, {
      ...{ max: 1, idle_timeout: 0 },
      connection: { application_name: 'pileus-ears' },
      onclose: () => {
        if (client === made) turn(false)
      },
      onnotify: (_channel: string, payload: string) => {
        if (client === made) hearing.heard(payload)
      },
    } as Parameters<typeof connect>[1])
    return made
  }
  const beat = async () => {
    client ??= open()
    const late = setTimeout(() => turn(false), patienceMs)
    const lost = setTimeout(() => void end(), givenUpMs)
    try {
      await client.unsafe(`listen ${channel}`)
      turn(client !== undefined)
    } catch (error) {
      turn(false)
      if (!closing.signal.aborted) log.debug({ err: error }, 'cannot listen to the database')
      await end()
    } finally {
      clearTimeout(late)
      clearTimeout(lost)
    }
  }
  const listening = (async () => {
    while (!closing.signal.aborted) {
      await beat()
      await delay(beatMs, undefined, { signal: closing.signal }).catch(() => {})
    }
  })()
  return {
    async close() {
      closing.abort()
      await end()
      await listening
    },
  }
}
