// The commands that change the kernel's state, fed with what the renderers wrote.
import { run, RunError } from '../run.ts'
import { runIn } from './namespaces.ts'
import { readLinks } from './read.ts'

/** Lines for `ip -batch` in a namespace (undefined: the agent's own). Stops at the first that fails. */
export async function ipBatch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  const inside = namespace === undefined ? [] : ['-n', namespace]
  await run('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** As `ipBatch`, but carries out all lines before it throws: for things that do not build on each other. */
export async function ipBatchAll(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  await run('ip', ['-n', namespace, '-force', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** None of these links is there any more. Links of a namespace that is being undone vanish by themselves meanwhile. */
export async function deleteLinks(namespace: string, names: readonly string[]): Promise<void> {
  try {
    await ipBatchAll(
      namespace,
      names.map((name) => `link del ${name}`),
    )
  } catch (error) {
    const left = await readLinks(namespace)
    if (names.some((name) => left.has(name))) throw error
  }
}

export async function bridgeBatch(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  await run('bridge', ['-n', namespace, '-force', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** One transaction: all of it holds, or nothing changes. */
export async function loadTables(namespace: string, text: string): Promise<void> {
  await runIn(namespace, 'nft', ['-f', '-'], text)
}

export async function deleteConnections(namespace: string, commands: readonly string[][]): Promise<void> {
  for (const command of commands) {
    try {
      await runIn(namespace, 'conntrack', command)
    } catch (error) {
      // It fails, too, when there was nothing to delete.
      if (!(error instanceof RunError && error.stderr.includes('0 flow entries have been deleted'))) throw error
    }
  }
}
