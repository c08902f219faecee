// Range requests (RFC 9110 §14) and their replies, several ranges included.
import { randomBytes } from 'node:crypto'
import { inTurn, type Pieces } from '#lib/pieces.ts'

export interface Range {
  start: number
  end: number
}
const mostRanges = 50

/** The ranges asked for, clipped to the size; undefined: all of it; 'none': not one of them can be given. */
export function parseRanges(header: string | undefined, size: number): Range[] | 'none' | undefined {
  const match = header === undefined ? null : /^\s*bytes\s*=\s*(.+)$/i.exec(header)
  if (!match) return undefined
  const ranges: Range[] = []
  for (const part of match[1]!.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const bounds = /^(\d*)\s*-\s*(\d*)$/.exec(part)
    if (!bounds || (bounds[1] === '' && bounds[2] === '')) return undefined
    const [first, last] = [bounds[1]!, bounds[2]!]
    if (first === '') {
      const count = Number(last)
      if (count > 0 && size > 0) ranges.push({ start: Math.max(size - count, 0), end: size - 1 })
      continue
    }
    if (last !== '' && Number(last) < Number(first)) return undefined
    if (Number(first) < size)
      ranges.push({ start: Number(first), end: last === '' ? size - 1 : Math.min(Number(last), size - 1) })
  }
  if (ranges.length === 0) return 'none'
  return ranges.length > mostRanges ? undefined : ranges
}

/** multipart/byteranges: its content type, its length, and its bytes, opened one range after the other. */
export function multipart(
  ranges: Range[],
  size: number,
  contentType: string,
  open: (range: Range) => Promise<Buffer | Pieces>,
): { contentType: string; length: number; body: Pieces } {
  const boundary = randomBytes(16).toString('hex')
  const heads = ranges.map(({ start, end }) =>
    Buffer.from(
      `--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: bytes ${start}-${end}/${size}\r\n\r\n`,
      'latin1',
    ),
  )
  const tail = Buffer.from(`--${boundary}--`)
  const length = ranges.reduce((sum, { start, end }, i) => sum + heads[i]!.length + (end - start + 1) + 2, tail.length)
  const [head, ...others] = heads as [Buffer, ...Buffer[]]
  const end = Buffer.from('\r\n')
  const rest = ranges.flatMap((range, i) => [() => open(range), () => Buffer.concat([end, others[i] ?? tail])])
  return { contentType: `multipart/byteranges;boundary=${boundary}`, length, body: inTurn(head, rest) }
}
