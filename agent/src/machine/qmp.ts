// QEMU's control socket: JSON lines, one client at a time (QEMU's "QMP specification").
import { connect as connectSocket } from 'node:net'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'

const Message = Type.Object({
  QMP: Type.Optional(Type.Unknown()),
  event: Type.Optional(Type.String()),
  data: Type.Optional(Type.Unknown()),
  id: Type.Optional(Type.Integer()),
  return: Type.Optional(Type.Unknown()),
  error: Type.Optional(Type.Object({ class: Type.String(), desc: Type.String() })),
})

/** QEMU refused a command; the message is QEMU's own. */
export class QmpError extends Error {
  override name = 'QmpError'
}

export interface Qmp {
  /** Resolves with what QEMU returns, checked; throws a `QmpError`, or an Error when the socket closes first. */
  ask<S extends Type.TSchema>(schema: S, command: string, args?: Record<string, unknown>): Promise<Static<S>>
  do(command: string, args?: Record<string, unknown>): Promise<void>
  close(): void
  readonly open: boolean
}

export interface QmpEvents {
  event(name: string, data: unknown): void
  closed(): void
}

// A QEMU that floods this socket is broken, or no longer QEMU.
const longestLine = 4 * 1024 * 1024
const answerMs = 15_000

/** Connects and takes over the conversation; throws when nobody listens. */
export function openQmp(path: string, on: QmpEvents): Promise<Qmp> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(path)
    const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
    let buffer = ''
    let count = 0
    let open = true
    let greeted = false

    const end = (error: Error) => {
      if (!open) return
      open = false
      clearTimeout(greeting)
      socket.destroy()
      reject(error)
      for (const waiter of waiting.values()) waiter.reject(error)
      waiting.clear()
      if (greeted) on.closed() // else the caller learns it from us
    }
    const greeting = setTimeout(() => end(new Error(`QEMU does not greet on ${path}`)), answerMs)
    const send = (execute: string, args?: Record<string, unknown>) =>
      new Promise<unknown>((ok, fail) => {
        if (!open) return fail(new Error('QMP is closed'))
        const id = ++count
        const timer = setTimeout(() => end(new Error(`QEMU does not answer ${execute}`)), answerMs)
        const settle =
          <T>(then: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer)
            then(value)
          }
        waiting.set(id, { resolve: settle(ok), reject: settle(fail) })
        socket.write(`${JSON.stringify({ execute, ...(args === undefined ? {} : { arguments: args }), id })}\n`)
      })
    const qmp: Qmp = {
      ask: async (schema, command, args) => Value.Parse(schema, await send(command, args)),
      do: async (command, args) => void (await send(command, args)),
      close: () => end(new Error('QMP was closed')),
      get open() {
        return open
      },
    }
    const take = (line: string) => {
      const message: unknown = JSON.parse(line)
      if (!Value.Check(Message, message)) throw new Error(`QEMU says ${line.slice(0, 200)}`)
      if (message.QMP !== undefined) {
        send('qmp_capabilities').then(() => {
          clearTimeout(greeting)
          greeted = true
          resolve(qmp)
        }, end)
      } else if (message.event !== undefined) {
        on.event(message.event, message.data)
      } else {
        const waiter = waiting.get(message.id ?? -1)
        waiting.delete(message.id ?? -1)
        if (message.error === undefined) waiter?.resolve(message.return)
        else waiter?.reject(new QmpError(message.error.desc))
      }
    }
    socket.setEncoding('utf8')
    socket.on('data', (data: string) => {
      buffer += data
      if (buffer.length > longestLine) return end(new Error('QEMU sends more than it should'))
      try {
        for (let at = buffer.indexOf('\n'); at >= 0; at = buffer.indexOf('\n')) {
          const line = buffer.slice(0, at).trim()
          buffer = buffer.slice(at + 1)
          if (line !== '') take(line)
        }
      } catch (error) {
        end(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.on('error', end)
    socket.on('close', () => end(new Error('QEMU closed QMP')))
  })
}
