import { createHash } from 'node:crypto'
import { type Stats, statSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { lastSentence, runQuietly } from '../programs.ts'
import { stop } from '../trouble.ts'

const passages = '/run/pileus'

/** The outermost directory on the way to `path`, itself included, that other users may not pass through. */
export function findClosedDirectory(path: string): string | undefined {
  const above = dirname(path) === path ? undefined : findClosedDirectory(dirname(path))
  return above ?? ((statSync(path).mode & 0o001) === 0 ? path : undefined)
}

/**
 * A path by which other users reach a directory. As root, PostgreSQL and the guests run as users of their own, and those
 * cannot pass through, say, /root: then the directory is bound to a place below /run, the same one at every start.
 */
export async function openPassage(path: string): Promise<string> {
  const closed = process.getuid?.() === 0 ? findClosedDirectory(path) : undefined
  if (closed === undefined) return path
  if (closed === path)
    stop(`Only its owner may enter ${path}, but the database and the guests run as other users: chmod o+x ${path}`)
  const passage = join(passages, createHash('sha256').update(path).digest('hex').slice(0, 12))
  await mkdir(passage, { recursive: true })
  for (const directory of [passages, passage])
    if (!isSame(statSync(directory), statSync(path))) await chmod(directory, 0o755)
  if (isSame(statSync(passage), statSync(path))) return passage
  const ended = await runQuietly('mount', ['--bind', path, passage])
  if (ended.code !== 0)
    stop(
      `Other users may not pass through ${closed}, but the database and the guests run as other users, and a way around it could not be made (${lastSentence(ended.stderr) ?? 'mount failed'}): chmod o+x ${closed}, or move to another place.`,
    )
  return passage
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev
}
