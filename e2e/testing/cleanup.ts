import { mkdtempSync, rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Adds something to be undone when the test has ended, however it ended: the last one first, each whatever the others do. */
export type Undo = (step: () => unknown) => void

export function cleanup(t: TestContext): Undo {
  const steps: (() => unknown)[] = []
  t.after(async () => {
    const failed: unknown[] = []
    for (const step of steps.toReversed()) {
      try {
        await step()
      } catch (error) {
        failed.push(error)
      }
    }
    if (failed.length > 0) throw new AggregateError(failed, 'not everything could be cleaned up')
  })
  return (step) => void steps.push(step)
}

/** A directory that the database and the guests, which are other users, may pass through. */
export async function scratch(undo: Undo): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), 'pileus-e2e-'))
  undo(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }))
  await chmod(path, 0o755)
  return path
}
