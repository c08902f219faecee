// Regular expressions that come from outside. JavaScript's own may take time without end over a few characters, and
// nothing else is answered meanwhile; RE2's take time in proportion to the text.
import { createRequire } from 'node:module'

export interface Pattern {
  test(text: string): boolean
}

let library: typeof import('re2js') | undefined

/**
 * An expression in RE2's syntax, found anywhere in a text. `most` bounds its size in steps of the machine that it becomes,
 * some for each character and for each repetition counted out. Throws an Error for one that cannot be read or is bigger.
 */
export function linearPattern(source: string, most: number): Pattern {
  // read at the first use, and at once: those who need it are not asynchronous
  library ??= createRequire(import.meta.url)('re2js') as typeof import('re2js')
  const pattern = library.RE2JS.compile(source)
  if (pattern.programSize() > most) throw new Error('the expression is too big')
  return pattern
}
