// multipart/form-data (RFC 7578) as a stream: fields, then files, none of them held in memory.
import { refuse } from './answer.ts'

export interface Part {
  headers: Record<string, string>
  name: string
  filename: string | undefined
  body: AsyncIterable<Buffer>
}

const mostHeaderBytes = 16_384

/** The parts in order. The body of each must be read to its end before the next is asked for. */
export async function* parseForm(stream: AsyncIterable<Buffer>, contentType: string): AsyncIterable<Part> {
  const match = /^multipart\/form-data\s*;.*?boundary=(?:"([^"]+)"|([^;]+))/i.exec(contentType)
  if (!match) refuse(400, 'FormPost: not multipart/form-data')
  const delimiter = Buffer.from(`\r\n--${(match[1] ?? match[2])!.trim()}`)
  const source = stream[Symbol.asyncIterator]()
  // as if the first boundary, too, stood on a line of its own
  let held: Buffer = Buffer.from('\r\n')
  let over = false
  const more = async () => {
    const got = await source.next()
    if (got.done) over = true
    else held = Buffer.concat([held, got.value])
  }
  async function* until(): AsyncIterable<Buffer> {
    for (;;) {
      const at = held.indexOf(delimiter)
      if (at >= 0) {
        const body = held.subarray(0, at)
        held = held.subarray(at + delimiter.length)
        if (body.length > 0) yield body
        return
      }
      const safe = held.length - delimiter.length
      if (safe > 0) {
        const body = held.subarray(0, safe)
        held = held.subarray(safe)
        yield body
      }
      if (over) refuse(400, 'FormPost: the form ends within a part')
      await more()
    }
  }
  try {
    for await (const preamble of until()) void preamble
    for (;;) {
      while (held.length < 2 && !over) await more()
      if (over || held.subarray(0, 2).toString() === '--') return
      let end: number
      while ((end = held.indexOf('\r\n\r\n')) < 0) {
        if (over || held.length > mostHeaderBytes) refuse(400, 'FormPost: the headers of a part cannot be read')
        await more()
      }
      const headers: Record<string, string> = {}
      for (const line of held.subarray(0, end).toString('utf8').split('\r\n')) {
        const colon = line.indexOf(':')
        if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
      }
      held = held.subarray(end + 4)
      const about = headers['content-disposition'] ?? ''
      const name = /[; ]name="([^"]*)"/.exec(about)?.[1] ?? ''
      yield { headers, name, filename: /filename="([^"]*)"/.exec(about)?.[1], body: until() }
    }
  } finally {
    await source.return?.()
  }
}
