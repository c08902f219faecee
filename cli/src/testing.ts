import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { cliMain } from './programs.ts'

/** A directory, closed to other users, that goes away with the test. */
export function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pileus-cli-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end. */
export function runProgram(
  command: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number; cwd?: string } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}

/** Runs the command line tool as a user would. */
export function pileus(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return runProgram(process.execPath, [cliMain, ...args], { env: { PATH: process.env['PATH'], ...env } })
}

/** A port of the loopback where nothing listens just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address and a port')
  return address.port
}

export const isRoot = process.getuid?.() === 0
