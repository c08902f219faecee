// Names in the order of their bytes, which for UTF-8 is the order of their code points.

/** The first name behind all that begin with `prefix`; undefined when there is none (an empty prefix). */
export function nextName(prefix: string): string | undefined {
  const points = Array.from(prefix)
  for (;;) {
    const last = points.pop()?.codePointAt(0)
    if (last === undefined) return undefined
    if (last === 0x10_ff_ff) continue
    // surrogates are no characters
    points.push(String.fromCodePoint(last === 0xd7_ff ? 0xe0_00 : last + 1))
    return points.join('')
  }
}

/** Characters as PostgreSQL counts them. */
export function lengthOf(name: string): number {
  return Array.from(name).length
}

/** Compares as PostgreSQL does with collation C. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
