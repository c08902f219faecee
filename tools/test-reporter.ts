// What tools/test.ts shows of a run: failures in full, skips with their reason; the sums go to a file.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
const verbose = process.env['PILEUS_TEST_VERBOSE'] === '1'

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const line = describe(event)
    if (line !== undefined) yield `${line}\n`
  }
  const path = process.env['PILEUS_TEST_COUNTS']
  if (path) writeFileSync(path, JSON.stringify(counts))
}

function describe(event: TestEvent): string | undefined {
  if (event.type === 'test:stderr' || event.type === 'test:stdout') return event.data.message.trimEnd()
  if (event.type !== 'test:pass' && event.type !== 'test:fail') return undefined
  const { data } = event
  // A test around others stands for them; it counts only when it fails by itself.
  if (data.details.type === 'suite') return undefined
  const place = `${relative(process.cwd(), data.file ?? '')}:${data.line ?? 0}`
  if (event.type === 'test:fail' && data.todo === undefined) return failure(event, place)
  if (data.skip !== undefined || data.todo !== undefined) {
    counts.skipped += 1
    const reason = data.skip ?? data.todo
    return `skipped: ${data.name} (${place})${typeof reason === 'string' ? `: ${reason}` : ''}`
  }
  counts.passed += 1
  return verbose ? `passed: ${data.name} (${(data.details.duration_ms / 1000).toFixed(1)} s)` : undefined
}

function failure(event: Extract<TestEvent, { type: 'test:fail' }>, place: string): string | undefined {
  const { error } = event.data.details
  if ('failureType' in error && error.failureType === 'subtestsFailed') return undefined
  counts.failed += 1
  const text = inspect(error.cause ?? error).replaceAll(/^/gm, '    ')
  return `FAILED: ${event.data.name} (${place})\n${text}`
}
