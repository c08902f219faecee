import { join } from 'node:path'
import { dataDirectory, prepareDataDirectory } from './data-directory.ts'
import { agentMain, nodeFlags } from './programs.ts'
import { stop } from './trouble.ts'
import { openPassage } from './up/passage.ts'

/** Becomes the agent of this machine: the process is replaced, so that signals and exit codes are the agent's own. */
export async function agent(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { given, rest } = takeData(args)
  const data = dataDirectory(given ?? env['PILEUS_DATA'] ?? 'var')
  if (process.getuid?.() !== 0) stop('The agent needs root, for network namespaces and guests.')
  await prepareDataDirectory(data)
  const agentData = join(await openPassage(data.path), 'agent')
  const kept = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
  if (process.execve === undefined) throw new Error('this platform cannot replace a process')
  process.execve(process.execPath, [process.execPath, ...nodeFlags, agentMain, '--data', agentData, ...rest], kept)
}

// The agent knows the other flags itself; only the data directory means something else to it.
function takeData(args: string[]): { given: string | undefined; rest: string[] } {
  const at = args.findIndex((arg) => arg === '--data' || arg.startsWith('--data='))
  const flag = args[at]
  if (flag === undefined) return { given: undefined, rest: args }
  if (flag.startsWith('--data=')) return { given: flag.slice('--data='.length), rest: args.toSpliced(at, 1) }
  const given = args[at + 1]
  return given === undefined ? stop('--data wants a directory.', 2) : { given, rest: args.toSpliced(at, 2) }
}
