// Connections on which whole transactions are sent at once: begin, what is to be done, commit, and then one waits for the
// answers. postgres.js sends what it is told in the order in which it is told, and a connection of its own (`max: 1`) keeps
// together what is said in one breath. When a connection breaks in between, the rest comes to one that can only read.
import type { Sql } from 'postgres'

/** SQL written once, its parameters beside it ($1 …): for hot paths, where building a text costs as much as running it. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

export interface Lines {
  atOnce(statements: readonly Statement[]): Promise<object[][]>
  close(): Promise<void>
}

const mostLines = 4

/** `isRepeatable`: whether a transaction that failed so for the n-th time is to be sent again. */
export function openLines(connectOne: () => Sql, isRepeatable: (error: unknown, attempt: number) => boolean): Lines {
  const lines: { client: Sql; waiting: number }[] = []
  const idlest = () => {
    const free = lines.find(({ waiting }) => waiting === 0)
    if (free) return free
    if (lines.length >= mostLines) return lines.reduce((a, b) => (b.waiting < a.waiting ? b : a))
    const line = { client: connectOne(), waiting: 0 }
    lines.push(line)
    return line
  }
  return {
    async atOnce(statements) {
      for (let attempt = 1; ; attempt++) {
        const line = idlest()
        line.waiting++
        const ended = await Promise.allSettled([
          line.client.unsafe('begin read write'),
          ...statements.map(({ text, values }) => line.client.unsafe(text, values as never[], { prepare: true })),
          line.client.unsafe('commit'),
        ])
        line.waiting--
        const failed = ended.find((each) => each.status === 'rejected')
        if (!failed) return ended.slice(1, -1).map((each) => (each as PromiseFulfilledResult<object[]>).value)
        if (!isRepeatable(failed.reason, attempt)) throw failed.reason
      }
    },
    async close() {
      await Promise.all(lines.map(({ client }) => client.end({ timeout: 5 })))
    },
  }
}
