import { linearPattern, type Pattern } from '#lib/regex.ts'

const biggest = 1000

/**
 * An expression as Python's `re` writes it, for that is what mappings are written in, as far as RE2 knows it too: `\Z`,
 * `{,3}` and leading flags are ours to translate. Throws an Error for one that cannot be read.
 */
export function pythonRegex(text: string): Pattern {
  if (text.length > 1000) throw new Error('an expression is longer than 1000 characters')
  const [leading = '', letters = ''] = /^\(\?([aimsux]+)\)/.exec(text) ?? []
  if (letters.includes('x')) throw new Error(`'${text}' asks for verbose expressions (?x), which are not supported`)
  const source = text
    .slice(leading.length)
    .replaceAll(/\\[\s\S]|\{,(?=\d+\})/g, (found) => (found === '\\Z' ? '\\z' : found === '{,' ? '{0,' : found))
  const flags = [...new Set(letters)].filter((each) => 'ims'.includes(each)).join('')
  try {
    return linearPattern(flags === '' ? source : `(?${flags})${source}`, biggest)
  } catch (error) {
    throw new Error(`'${text}' is not a regular expression that can be used here: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
