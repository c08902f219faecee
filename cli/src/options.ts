import { isIP } from 'node:net'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { stop } from './trouble.ts'

export interface Listen {
  host: string
  port: number
}

/** `HOST:PORT`, `[IPv6]:PORT`. */
export function parseListen(text: string, flag = '--listen'): Listen {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port < 1 || port > 65535 || (match?.[1] !== undefined && isIP(host) !== 6))
    stop(`${flag} wants HOST:PORT, for example 127.0.0.1:8700, not '${text}'.`, 2)
  return { host, port }
}

export function formatListen({ host, port }: Listen): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** A whole number of at least `minimum`. */
export function parseCount(flag: string, text: string, minimum: number): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < minimum || count > 1_000_000)
    stop(`${flag} wants a whole number of at least ${minimum}, not '${text}'.`, 2)
  return count
}

/** Reads the flags of one command; a flag it does not know ends with a sentence and exit code 2. */
export function readFlags<T extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: string[],
  options: T,
  positionals: { minimum: number; maximum: number } = { minimum: 0, maximum: 0 },
) {
  const parsed = parse(command, args, options)
  const count = parsed.positionals.length
  const extra = parsed.positionals[positionals.maximum]
  if (extra !== undefined) stop(`'pileus ${command}' does not know what to do with '${extra}'.${hint(command)}`, 2)
  if (count < positionals.minimum) stop(`'pileus ${command}' wants an argument more.${hint(command)}`, 2)
  return parsed
}

function parse<T extends NonNullable<ParseArgsConfig['options']>>(command: string, args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const reason = error.message.split('. ')[0]?.replace(/\.$/, '') ?? error.message
    return stop(`'pileus ${command}': ${reason}.${hint(command)}`, 2)
  }
}

function hint(command: string): string {
  return ` See 'pileus ${command} --help'.`
}
