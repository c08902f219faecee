// The commands that change the kernel's state, fed with what the renderers wrote.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '../files.ts'
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

// Links put into this group are deleted at once; one by one, the kernel takes some 50 ms for each.
const deletionGroup = 20_170

/** None of these links is there any more. Links of a namespace that is being undone vanish by themselves meanwhile. */
export async function deleteLinks(namespace: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const lines = names.map((name) => `link set dev ${name} group ${deletionGroup}`)
  try {
    await ipBatchAll(namespace, [...lines, `link del group ${deletionGroup}`])
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

/** Carries out `conntrack -D …` commands; it is no failure when there is nothing to delete. */
export async function deleteConnections(
  namespace: string,
  commands: readonly string[][],
  directory: string,
): Promise<void> {
  if (commands.length === 0) return
  // A file, for it opens /dev/stdin by name, which a socket does not bear.
  const list = join(directory, `cuts-${namespace}`)
  await writeWhole(list, commands.map((words) => `${words.join(' ')}\n`).join(''))
  try {
    await runIn(namespace, 'conntrack', ['-R', list])
    return
  } catch (error) {
    // conntrack before 1.4.7 takes no list.
    if (!(error instanceof RunError)) throw error
  } finally {
    await rm(list, { force: true })
  }
  for (const command of commands) {
    try {
      await runIn(namespace, 'conntrack', command)
    } catch (error) {
      if (!(error instanceof RunError && error.stderr.includes('0 flow entries have been deleted'))) throw error
    }
  }
}
