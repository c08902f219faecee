import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

// Where secrets travel. Bodies are never logged, so these are headers and what is handed over by mistake.
const secretPaths = [
  'headers["x-auth-token"]',
  'headers["x-subject-token"]',
  'headers["x-service-token"]',
  'headers["x-amz-server-side-encryption-customer-key"]',
  'headers["x-amz-copy-source-server-side-encryption-customer-key"]',
  'headers.authorization',
  'headers.cookie',
  '*.password',
  '*.secret',
  '*.adminPass',
]

interface ShownError {
  type: string
  message: string
  stack: string
}

/**
 * An error without what it carries along: a failed query has its parameters in its message (a user's password hash, a
 * server's user data), PostgreSQL quotes whole rows in its details.
 */
function showError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message, cause } = error
  const { query } = error as { query?: unknown }
  const safe = typeof query === 'string' ? `Failed query: ${query}` : message
  const stack = error.stack ?? ''
  const frames = stack.slice(stack.indexOf(message) + message.length)
  const shown: ShownError = { type: error.name, message: safe, stack: `${error.name}: ${safe}${frames}` }
  for (const key of ['code', 'kind', 'syscall', 'constraint_name', 'table_name', 'column_name'] as const) {
    const value = (error as Error & Partial<Record<typeof key, unknown>>)[key]
    if (value !== undefined) Object.assign(shown, { [key]: value })
  }
  return cause instanceof Error ? { ...shown, cause: showError(cause) } : shown
}

// Each write of a line by itself costs as much as a tenth of a small request.
const gatheredBytes = 8 * 1024
const gatherMs = 100
const warn = pino.levels.values['warn']!

/** Standard output: many lines in one write, from warnings on at once. What a killed process had gathered is lost. */
function gathering(): DestinationStream {
  const out = pino.destination({ sync: true, minLength: gatheredBytes })
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    out.flush()
  }
  // this one fsyncs as well
  process.on('exit', () => out.flushSync())
  const destination = {
    // so pino says of which level a line is
    [Symbol.for('pino.metadata')]: true,
    lastLevel: warn,
    write(line: string) {
      out.write(line)
      if (destination.lastLevel >= warn) flush()
      else timer ??= setTimeout(flush, gatherMs).unref()
    },
  }
  return destination
}

let standardOutput: DestinationStream | undefined

/** JSON lines; `name` tells the process. Anything secret that is handed over by mistake is blanked. */
export function makeLog(name: string, level: string, destination?: DestinationStream): Log {
  const options = {
    name,
    level,
    serializers: { err: showError },
    redact: { paths: secretPaths, censor: '***' },
    base: { name, pid: process.pid },
  }
  return pino(options, destination ?? (standardOutput ??= gathering()))
}
