// Files that must be whole or not there, whenever the agent dies.
import { constants } from 'node:fs'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const partial = '.partial'

/** Writes a file as a whole: after a crash there is the old content or the new, never a part. */
export async function writeWhole(path: string, content: string | Buffer, mode = 0o600): Promise<void> {
  const temporary = `${path}${partial}`
  const file = await open(temporary, 'w', mode)
  try {
    await file.chmod(mode)
    await file.writeFile(content)
    await file.datasync()
  } catch (error) {
    await rm(temporary, { force: true }) // a disk that is full needs the room
    throw error
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** Makes a file's content last through a power cut. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes what was renamed or made in a folder last through a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** The file's text, or undefined when there is none. */
export async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The names in a folder; none when there is no such folder. */
export async function listIfAny(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Removes what a write that never ended has left in a folder. */
export async function removePartial(folder: string): Promise<void> {
  for (const name of await listIfAny(folder)) if (name.endsWith(partial)) await rm(join(folder, name), { force: true })
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Ids come from the server and become file names: nothing that could leave its folder. */
export function isSafeId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)
}
