import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readFlags } from './options.ts'
import { guestImageScript, root, runOnce } from './programs.ts'
import { sentenceOf } from './trouble.ts'

/** All checks of the house, then the end-to-end tests; the last line is the test runner's sum. */
export async function test(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  readFlags('test', args, {})
  const path = [dirname(process.execPath), join(root, 'node_modules/.bin'), env['PATH']].join(':')
  const image = env['PILEUS_GUEST_IMAGE'] ?? (await findGuestImage(env))
  const child = spawn('npm', ['run', '--silent', 'ok', '--', '--with-e2e'], {
    cwd: root,
    env: { ...env, PATH: path, ...(image && { PILEUS_GUEST_IMAGE: image }) },
    stdio: 'inherit',
  })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.on('error', reject)
  child.on('exit', (code) => resolve(code ?? 1))
  process.exitCode = await promise
}

/** The guest that the tests boot, kept as long as its recipe is the same; without it those tests are skipped. */
async function findGuestImage(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const recipe = createHash('sha256').update(readFileSync(guestImageScript)).digest('hex').slice(0, 12)
  const folder = join(root, 'node_modules/.cache/pileus')
  const path = join(folder, `guest-${recipe}.qcow2`)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  process.stdout.write("Building the guest image for the tests from Debian's packages …\n")
  try {
    await runOnce({ command: 'bash', args: [guestImageScript, path], env, log: join(folder, 'guest.log'), failure: '' })
    return path
  } catch (error) {
    process.stdout.write(`There is no guest for the tests: ${sentenceOf(error) ?? String(error)}\n`)
    return undefined
  }
}
