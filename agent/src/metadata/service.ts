// The metadata service: haproxy passes on what guests ask at 169.254.169.254, over a unix socket, and says who asks.
import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { PortSpec } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { findDocument, type Guest } from './documents.ts'

export interface MetadataOptions {
  socketPath: string
  /** Whose address that is, on that network. */
  portAt(networkId: string, address: string): PortSpec | undefined
  /** False while an agent that has just started does not know yet which ports it has. */
  isSettled(): boolean
  findGuest(machineId: string): Guest | undefined
  log: Logger
}

/** Listens until the returned function is called. A socket that a killed agent left behind is replaced. */
export async function serveMetadata(options: MetadataOptions): Promise<() => Promise<void>> {
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 16_384 }, (request, response) => {
    try {
      reply(options, request, response)
    } catch (error) {
      options.log.error({ err: error, path: request.url }, 'a metadata request failed')
      if (!response.headersSent) response.writeHead(500)
      response.end()
    }
  })
  await rm(options.socketPath, { force: true })
  server.listen(options.socketPath)
  await once(server, 'listening')
  // Whoever may connect here may name any guest: haproxy alone, which runs as root.
  await chmod(options.socketPath, 0o600)
  return async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

function reply(options: MetadataOptions, request: IncomingMessage, response: ServerResponse): void {
  const end = (status: number, body: string | Buffer, type = 'text/plain') => {
    response.writeHead(status, { 'content-type': `${type}; charset=UTF-8`, 'content-length': Buffer.byteLength(body) })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'Only GET is supported here.')
  // haproxy replaces both headers, so a guest cannot speak for another.
  const networkId = header(request, 'x-network-id')
  const address = header(request, 'x-forwarded-for')
  if (networkId === undefined || address === undefined) return end(400, 'The request does not say who asks.')
  const port = options.portAt(networkId, address)
  const guest = port === undefined ? undefined : options.findGuest(port.machineId)
  if (guest === undefined && !options.isSettled()) return end(503, 'The host is starting; ask again.')
  if (guest === undefined) return end(404, 'There is no machine at this address.')
  const path = safelyDecoded((request.url ?? '/').split('?')[0] ?? '/')
  const document = path === undefined ? undefined : findDocument(guest, path, address)
  if (document === undefined) return end(404, 'There is nothing at this path.')
  end(200, document.body, document.type)
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function safelyDecoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}
