// A way to the database that tests can cut, or make swallow everything.
import { once } from 'node:events'
import { connect as dial, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface Way {
  url: string
  /** Ends all connections; new ones can be made. */
  cut(): void
  /** While silent nothing is carried by those connections whose greeting has this word, and nobody is told. */
  silence(word: string | undefined): void
  /** How many packets of those connections went to the database whose greeting does not have this word. */
  packetsWithout(word: string): number
}

/** A TCP way to a database that listens on a unix socket: it can be cut, and it can swallow everything. */
export async function wayTo(t: Pick<TestContext, 'after'>, url: string): Promise<Way> {
  const parsed = new URL(url)
  const path = `${parsed.searchParams.get('host')}/.s.PGSQL.${parsed.port || 5432}`
  const pairs = new Set<[Socket, Socket]>()
  let silenced: string | undefined
  const sent: string[] = []
  const server = createServer((near) => {
    const far = dial(path)
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    // the first packet names the user, the database and the application
    let greeting = ''
    near.once('data', (bytes) => (greeting = bytes.toString('latin1')))
    near.on('data', () => sent.push(greeting))
    const isSilent = () => silenced !== undefined && greeting.includes(silenced)
    const carry = (from: Socket, to: Socket) => {
      from.on('data', (bytes) => void (isSilent() || to.write(bytes)))
      from.on('error', () => {})
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
    carry(near, far)
    carry(far, near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const cut = () => {
    for (const [near] of pairs) near.destroy()
  }
  t.after(() => {
    cut()
    server.close()
  })
  parsed.searchParams.delete('host')
  parsed.hostname = '127.0.0.1'
  parsed.port = String(port)
  return {
    url: parsed.href,
    cut,
    silence: (word) => void (silenced = word),
    packetsWithout: (word) => sent.filter((greeting) => !greeting.includes(word)).length,
  }
}
