// Fetches an image's bytes from the control plane, checking length and checksum as they pass.
import { createHash, type KeyObject } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ImageSource } from '@pileus/contract/agent.ts'
import { authorization } from '../connection/keys.ts'
import { syncFile } from '../files.ts'
import { BadImage } from './qcow2.ts'

export interface ImageServer {
  url: string
  hostId: string
  key: KeyObject
}

// A server that sends nothing for so long has gone.
const idleMs = 30_000

/**
 * Streams the image to `path`, readable by all and writable by none. Throws a `BadImage` when the server has no such
 * image or its bytes are not what the wish says; any other error may pass.
 */
export async function downloadImage(
  server: ImageServer,
  source: ImageSource,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { imageId, sizeBytes, sha512 } = source
  const at = `/agent/v1/images/${imageId}`
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error('The server stopped sending the image.')), idleMs)
  try {
    const response = await fetch(`${server.url}${at}`, {
      headers: { authorization: authorization(server.key, server.hostId, 'GET', at) },
      signal: AbortSignal.any([signal, idle.signal]),
    })
    if (!response.ok || response.body === null) {
      const said = (await response.text()).slice(0, 200)
      const message = `The image ${imageId} cannot be had from the server (${response.status}): ${said}`
      throw response.status === 404 || response.status === 410
        ? new BadImage(`The image ${imageId} is no longer there.`)
        : new Error(message)
    }
    const hash = createHash('sha512')
    let bytes = 0
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer.refresh()
        bytes += chunk.length
        hash.update(chunk)
        if (bytes > sizeBytes) done(new BadImage(`The image ${imageId} is longer than its ${sizeBytes} bytes.`))
        else done(null, chunk)
      },
    })
    await pipeline(Readable.fromWeb(response.body), check, createWriteStream(path, { mode: 0o444 }))
    if (bytes !== sizeBytes) throw new Error(`The image ${imageId} ended after ${bytes} of ${sizeBytes} bytes.`)
    if (hash.digest('hex') !== sha512)
      throw new BadImage(`The image ${imageId} does not have the checksum it should have.`)
    await syncFile(path)
  } finally {
    clearTimeout(timer)
  }
}
