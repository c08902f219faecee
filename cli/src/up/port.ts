import { createServer } from 'node:net'
import { formatListen, type Listen } from '../options.ts'
import { Trouble } from '../trouble.ts'

/** Ends with a sentence when the servers could not listen there. They share the port among themselves, never with others. */
export async function requireFreePort(listen: Listen, flag = '--listen'): Promise<void> {
  const probe = createServer()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  probe.once('error', reject).once('listening', resolve)
  probe.listen({ ...listen, exclusive: true })
  try {
    await promise
  } catch (error) {
    throw new Trouble(sentence(listen, flag, error), 1, { cause: error })
  } finally {
    await new Promise((closed) => probe.close(closed))
  }
}

function sentence(listen: Listen, flag: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : error
  const where = formatListen(listen)
  if (code === 'EADDRINUSE')
    return `Port ${listen.port} of ${listen.host} is taken by another program; choose another address with ${flag}.`
  if (code === 'EACCES') return `Listening on ${where} needs root; choose a port above 1023 with ${flag}.`
  if (code === 'EADDRNOTAVAIL') return `This machine has no address ${listen.host}; choose another with ${flag}.`
  return `It is not possible to listen on ${where} (${String(code)}).`
}
