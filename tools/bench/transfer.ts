// Large objects by Swift's API, moved by a client that costs as little as one can: it shares the machine with what it measures.
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Store {
  /** Of the account. */
  url: string
  token: string
}

const chunk = randomFillSync(Buffer.alloc(1 << 20))
const sink = Buffer.allocUnsafeSlow(1 << 20)

/** The same mebibyte, so many times. */
export function* mebibytes(count: number): Iterable<Buffer> {
  for (let n = 0; n < count; n++) yield chunk
}

export async function makeContainer(store: Store, path: string): Promise<void> {
  await exchange(store, 'PUT', path, 0)
}

/** Sends or reads so many mebibytes, without looking at them, on a connection of its own. */
export async function transfer(store: Store, method: 'PUT' | 'GET', path: string, megabytes: number): Promise<void> {
  const bytes = await exchange(store, method, path, method === 'PUT' ? megabytes : 0)
  if (method === 'GET' && bytes !== megabytes << 20) throw new Error(`GET ${path}: ${bytes} bytes`)
}

/** How many bytes the reply has. */
async function exchange(store: Store, method: 'PUT' | 'GET', path: string, megabytes: number): Promise<number> {
  const { hostname, port, pathname } = new URL(store.url)
  let [head, bytes, isHead] = ['', 0, true]
  const read = (count: number, buffer: Uint8Array) => {
    bytes += count
    if (!isHead) return true
    head += Buffer.from(buffer.subarray(0, count)).toString('latin1')
    const end = head.indexOf('\r\n\r\n') + 4
    if (end < 4) return true
    isHead = false
    bytes -= end
    return true
  }
  const socket = connect({ host: hostname, port: Number(port), onread: { buffer: sink, callback: read } })
  const closed = once(socket, 'close')
  const write = (data: Buffer | string) =>
    new Promise<void>((resolve, reject) => socket.write(data, (error) => (error ? reject(error) : resolve())))
  const lines = [
    `${method} ${pathname}${path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `X-Auth-Token: ${store.token}`,
    ...(method === 'PUT' ? [`Content-Length: ${megabytes << 20}`] : []),
    'Connection: close',
  ]
  await write(`${lines.join('\r\n')}\r\n\r\n`)
  for (const piece of mebibytes(megabytes)) await write(piece)
  await closed
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1])
  if (!(status < 300)) throw new Error(`${method} ${path}: ${head.split('\r\n')[0]}`)
  return bytes
}
