// The log: one JSON object a line on standard output.
import { type Logger, pino } from 'pino'

// What is kept while nothing can be written; later lines are lost.
const mostWaitingBytes = 1024 * 1024

/** A log that cannot be written (the disk is full) ends nothing: what waited is written when there is room again. */
export function openLog(level: string): Logger {
  const output = pino.destination({ dest: 1, sync: true, maxLength: mostWaitingBytes })
  output.on('error', () => {})
  return pino({ level, base: null, redact: ['*.join', '*.adminPassword'] }, output)
}
