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

/** JSON lines; `name` tells the process. Anything secret that is handed over by mistake is blanked. */
export function makeLog(name: string, level: string, destination?: DestinationStream): Log {
  const options = {
    name,
    level,
    serializers: { err: showError },
    redact: { paths: secretPaths, censor: '***' },
    base: { name, pid: process.pid },
  }
  return destination ? pino(options, destination) : pino(options)
}
