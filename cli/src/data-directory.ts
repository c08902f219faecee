import { access, chmod, constants, mkdir, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { sentenceOf, stop, Trouble } from './trouble.ts'

/** Where everything of one installation lies. All paths are absolute, except `shown`. */
export interface DataDirectory {
  path: string
  /** As the user wrote it, for sentences. */
  shown: string
  run: string
  log: string
  cache: string
  agent: string
  cloudsYaml: string
  openrc: string
  s3rc: string
  seeded: string
}

export function dataDirectory(given: string): DataDirectory {
  const path = resolve(given)
  const inside = (name: string) => join(path, name)
  return {
    path,
    shown: given,
    run: inside('run'),
    log: inside('log'),
    cache: inside('cache'),
    agent: inside('agent'),
    cloudsYaml: inside('clouds.yaml'),
    openrc: inside('openrc'),
    s3rc: inside('s3rc'),
    seeded: inside('seeded.json'),
  }
}

/** Less than this and PostgreSQL's first start alone may fill the disk. */
const minimumFreeMb = 300

/** Makes the directory and its folders, or says in one sentence why that cannot be used. */
export async function prepareDataDirectory(data: DataDirectory, freeMb = minimumFreeMb): Promise<void> {
  try {
    const found = await stat(data.path).catch(() => undefined)
    if (found && !found.isDirectory()) stop(`The data directory ${data.shown} is a file, not a directory.`)
    if (!found) {
      await makeDirectories(data.path)
      // The database and the guests run as users of their own and must be able to pass through, whatever the umask.
      await chmod(data.path, 0o755)
    }
    await access(data.path, constants.R_OK | constants.W_OK | constants.X_OK)
    await requireSpace(data, freeMb)
    for (const folder of [data.run, data.log, data.cache]) await mkdir(folder, { recursive: true })
    await writeFile(join(data.run, 'lock'), '', { flag: 'a' })
  } catch (error) {
    if (error instanceof Trouble) throw error
    const reason = sentenceOf(error)
    if (reason === undefined) throw error
    throw new Trouble(`The data directory ${data.shown} cannot be used. ${reason}`, 1, { cause: error })
  }
}

// mkdir's own `recursive` never ends where the system refuses directories with ENOENT, as under /proc.
async function makeDirectories(path: string): Promise<void> {
  const parent = dirname(path)
  if (parent !== path && !(await stat(parent).catch(() => undefined))) await makeDirectories(parent)
  await mkdir(path)
}

async function requireSpace(data: DataDirectory, freeMb: number): Promise<void> {
  const { bavail, bsize } = await statfs(data.path)
  const haveMb = Math.floor((bavail * bsize) / 2 ** 20)
  if (haveMb < freeMb)
    stop(
      `The disk that holds ${data.shown} is full: ${haveMb} MB are free and at least ${freeMb} MB are needed. Free some space or choose another place with --data.`,
    )
}
