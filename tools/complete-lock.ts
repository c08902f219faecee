// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry did not
// serve them when the lock was made. Without their entries `npm ci` calls the lock out of date; with them it skips
// them, as it does all that is for another platform. Run it after each `npm install` that changes the lock.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Entry {
  version?: string
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

type Packages = Record<string, Entry>

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'sunos', 'aix', 'netbsd', 'openbsd']
const processors = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32']

/** The entries that are missing, by their key in the lock. The platform is read from the package's name. */
export function missingEntries(packages: Packages): Packages {
  const missing: Packages = {}
  for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages))
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const known = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((key) => key in packages)
      if (path === '' || known) continue
      missing[`node_modules/${name}`] = { version, ...(dev && { dev }), optional: true, ...platformOf(name) }
    }
  return missing
}

function platformOf(name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> {
  const words = name.split('/').at(-1)?.split('-') ?? []
  const os = systems.find((system) => words.includes(system))
  const cpu = processors.find((processor) => words.includes(processor))
  if (os === undefined && cpu === undefined) throw new Error(`The platform of ${name} cannot be read from its name.`)
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu')) && 'glibc'
  return { ...(os && { os: [os] }), ...(cpu && { cpu: [cpu] }), ...(os === 'linux' && libc && { libc: [libc] }) }
}

export const lockPath = join(import.meta.dirname, '../package-lock.json')

export function readLock(): { packages: Packages } {
  return JSON.parse(readFileSync(lockPath, 'utf8'))
}

if (import.meta.main) {
  const lock = readLock()
  const missing = missingEntries(lock.packages)
  const entries = Object.entries({ ...lock.packages, ...missing })
  lock.packages = Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b, 'en')))
  writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`)
  process.stdout.write(`${Object.keys(missing).length} entries added\n`)
}
