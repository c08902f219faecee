// Connections of one directory that are kept for the next question. A directory that is away is asked again only after a
// moment, and only so many may wait for it: whoever needs it is told at once, and nobody else notices.
import { Client, ResultCodeError } from 'ldapts'
import { Fault } from '#lib/fault.ts'
import type { Connection } from './connection.ts'

export interface Pool {
  /** Throws unavailable when there is no connection to be had; what `work` throws otherwise. */
  use<Result>(work: (client: Client) => Promise<Result>): Promise<Result>
  close(): void
}

interface Kept extends Connection {
  openedAt: number
}

const mostWaiting = 1000
const restMs = 1000

/** `away` is told why a connection could not be made, and gives the Fault that those who wait get. */
export function makePool(
  { size, lifetimeMs }: { size: number; lifetimeMs: number },
  open: () => Promise<Connection>,
  away: (reason: unknown) => Fault,
): Pool {
  const idle: Kept[] = []
  const waiting: { go: () => void; fail: (fault: Fault) => void }[] = []
  let free = size
  let closed = false
  let rest: { untilMs: number; fault: Fault } | undefined

  const isFresh = (each: Kept) => each.isOpen() && Date.now() - each.openedAt < lifetimeMs

  const takeIdle = (): Kept | undefined => {
    for (let each = idle.pop(); each; each = idle.pop()) {
      if (isFresh(each)) return each
      each.close()
    }
    return undefined
  }
  const openNew = async (): Promise<Kept> => {
    if (rest && rest.untilMs > Date.now()) throw rest.fault
    try {
      return { ...(await open()), openedAt: Date.now() }
    } catch (error) {
      const fault = away(error)
      rest = { untilMs: Date.now() + restMs, fault }
      for (const { fail } of waiting.splice(0)) fail(fault)
      throw fault
    }
  }
  const enter = async () => {
    if (closed) throw away(new Error('the directory is no longer configured'))
    if (free > 0) free--
    else if (waiting.length >= mostWaiting) throw away(new Error('too many are waiting for the directory'))
    else await new Promise<void>((go, fail) => waiting.push({ go, fail }))
  }
  const leave = () => {
    const following = waiting.shift()
    if (following) following.go()
    else free++
  }
  const keep = (each: Kept) => {
    if (closed || !isFresh(each)) each.close()
    else idle.push(each)
  }

  return {
    async use(work) {
      await enter()
      try {
        const old = takeIdle()
        if (old) {
          try {
            return await run(old, work, keep)
          } catch (error) {
            // the server may have closed it while it lay idle: then it is asked once more on a new one
            if (old.isOpen() || isAnswer(error)) throw error
          }
        }
        return await run(await openNew(), work, keep)
      } finally {
        leave()
      }
    },
    close() {
      closed = true
      for (const each of idle.splice(0)) each.close()
    },
  }
}

async function run<Result>(
  connection: Kept,
  work: (client: Client) => Promise<Result>,
  keep: (connection: Kept) => void,
): Promise<Result> {
  try {
    const result = await work(connection.client)
    keep(connection)
    return result
  } catch (error) {
    if (isAnswer(error)) keep(connection)
    else connection.close()
    throw error
  }
}

/** The server said no, and the connection is as good as before. */
const isAnswer = (error: unknown) => error instanceof ResultCodeError || error instanceof Fault
