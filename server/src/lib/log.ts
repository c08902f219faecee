import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

// Where secrets travel. Bodies are never logged, so these are headers and what errors carry along.
const secretPaths = [
  'headers["x-auth-token"]',
  'headers["x-subject-token"]',
  'headers["x-service-token"]',
  'headers.authorization',
  'headers.cookie',
  '*.password',
  '*.secret',
  '*.adminPass',
]

/** JSON lines; `name` tells the process. Anything secret that is handed over by mistake is blanked. */
export function makeLog(name: string, level: string, destination?: DestinationStream): Log {
  const options = { name, level, redact: { paths: secretPaths, censor: '***' }, base: { name, pid: process.pid } }
  return destination ? pino(options, destination) : pino(options)
}
