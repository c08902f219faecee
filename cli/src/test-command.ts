import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { readFlags } from './options.ts'
import { root } from './programs.ts'

/** All checks of the house, then the end-to-end tests; the last line is the test runner's sum. */
export async function test(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  readFlags('test', args, {})
  const path = [dirname(process.execPath), join(root, 'node_modules/.bin'), env['PATH']].join(':')
  const child = spawn('npm', ['run', '--silent', 'ok', '--', '--with-e2e'], {
    cwd: root,
    env: { ...env, PATH: path },
    stdio: 'inherit',
  })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.on('error', reject)
  child.on('exit', (code) => resolve(code ?? 1))
  process.exitCode = await promise
}
