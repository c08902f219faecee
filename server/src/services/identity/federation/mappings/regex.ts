/**
 * An expression as Python's `re` writes it, for that is what mappings are written in: leading flags `(?i)`, `(?P<name>`, `\A`
 * and `\Z` are ours to translate. Throws an Error for one that cannot be read.
 */
export function pythonRegex(text: string): RegExp {
  if (text.length > 1000) throw new Error('an expression is longer than 1000 characters')
  const [leading = '', letters = ''] = /^\(\?([aimsux]+)\)/.exec(text) ?? []
  if (letters.includes('x')) throw new Error(`'${text}' asks for verbose expressions (?x), which are not supported`)
  const source = text
    .slice(leading.length)
    .replaceAll(/\\[\s\S]|\(\?P<|\(\?P=(\w+)\)/g, (found, name?: string) =>
      found === '\\A'
        ? '^(?<![\\s\\S])'
        : found === '\\Z'
          ? '(?![\\s\\S])'
          : found === '(?P<'
            ? '(?<'
            : name === undefined
              ? found
              : `\\k<${name}>`,
    )
  const flags = [...new Set(letters)].filter((each) => 'ims'.includes(each)).join('')
  try {
    return new RegExp(source, flags)
  } catch (error) {
    throw new Error(`'${text}' is not a regular expression`, { cause: error })
  }
}
