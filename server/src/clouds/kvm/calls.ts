// Questions to agents, whichever process the agent is connected to: asked directly when it is this one, else by a row.
import { first, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { CloudWorld } from '../cloud.ts'
import type { Line } from './line.ts'

const timeoutMs = 10_000

interface Question {
  hostId: string
  method: string
  params: unknown
}

export interface Asker {
  /** Throws unavailable when no answer comes, or with the agent's sentence. */
  (question: Question): Promise<unknown>
  /** Puts the question of that row to the agent and writes its answer down. */
  answer(line: Line, callId: string): Promise<void>
  /** The row of one of our questions has its answer. */
  answered(callId: string): void
  close(): void
}

export function asker({ db, log }: CloudWorld, lineOf: (hostId: string) => Line | undefined): Asker {
  const waiting = new Map<string, () => void>()

  const askByRow = async ({ hostId, method, params }: Question): Promise<unknown> => {
    const id = newId()
    // a message that was missed costs time, not the answer: the row is looked at when the time is over, too
    const rung = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      waiting.set(id, () => {
        clearTimeout(timer)
        resolve()
      })
    })
    try {
      await db.transaction(async (tx) => {
        // rows of those who no longer wait
        await tx.rows(sql`delete from kvm_call where created_at < now() - interval '1 minute'`)
        await tx.rows(sql`
          insert into kvm_call (id, host_id, method, params)
          values (${id}, ${hostId}, ${method}, ${JSON.stringify(params)}::text::jsonb)`)
        await tx.publish('kvm', `call ${hostId} ${id}`)
      })
      await rung
      const row = first(
        await db.transaction((tx) =>
          tx.rows<{ value: unknown; error: string | null; answered: boolean }>(
            sql`delete from kvm_call where id = ${id} returning value, error, answered`,
          ),
        ),
      )
      if (!row?.answered) throw new Fault('unavailable', 'The host did not answer in time.')
      if (row.error !== null) throw new Fault('unavailable', row.error)
      return row.value
    } finally {
      waiting.get(id)?.()
      waiting.delete(id)
    }
  }
  return Object.assign(
    (question: Question) => {
      const line = lineOf(question.hostId)
      return line ? line.ask(question.method, question.params, timeoutMs) : askByRow(question)
    },
    {
      async answer(line: Line, callId: string) {
        const row = first(
          await db.rows<{ method: string; params: unknown }>(
            sql`select method, params from kvm_call where id = ${callId} and host_id = ${line.host.id} and not answered`,
          ),
        )
        if (!row) return
        const said = await line.ask(row.method, row.params, timeoutMs).then(
          (value) => ({ value, error: null }),
          (error: unknown) => {
            if (!(error instanceof Fault)) log.error({ err: error }, 'a call failed')
            return { value: null, error: error instanceof Error ? error.message : String(error) }
          },
        )
        await db.transaction(async (tx) => {
          await tx.rows(sql`
            update kvm_call set answered = true, error = ${said.error},
              value = ${JSON.stringify(said.value ?? null)}::text::jsonb
            where id = ${callId}`)
          await tx.publish('kvm', `answer ${callId}`)
        })
      },
      answered: (callId: string) => waiting.get(callId)?.(),
      close() {
        for (const ring of waiting.values()) ring()
      },
    },
  )
}
