/** All bytes of pieces that are good only until the next one is asked for. */
export async function allOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

/** Bytes in pieces of these sizes, turn about; each is overwritten when the next one is asked for. */
export async function* lent(data: Buffer, ...sizes: number[]): AsyncGenerator<Buffer, undefined> {
  for (let [at, n] = [0, 0]; at < data.length; n++) {
    const piece = Buffer.from(data.subarray(at, at + sizes[n % sizes.length]!))
    at += piece.length
    yield piece
    piece.fill(0xee)
  }
}
