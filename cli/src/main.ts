import { sentenceOf, stop, Trouble } from './trouble.ts'
import { usage, usageOf } from './usage.ts'

type Command = (args: string[], env: NodeJS.ProcessEnv) => Promise<void>

// Each command is loaded only when it is called: most need little.
const commands: Record<string, () => Promise<Command>> = {
  up: async () => (await import('./up/command.ts')).up,
  down: async () => (await import('./down.ts')).down,
  status: async () => (await import('./status.ts')).status,
  agent: async () => (await import('./agent.ts')).agent,
  host: async () => (await import('./host.ts')).host,
  task: async () => (await import('./task.ts')).task,
  keys: async () => (await import('./keys.ts')).keys,
  audit: async () => (await import('./audit.ts')).audit,
  test: async () => (await import('./test-command.ts')).test,
}

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || ['help', '--help', '-h'].includes(name)) {
    const text = args[0] === undefined ? usage : (usageOf(args[0]) ?? unknown(args[0]))
    process.stdout.write(text)
    return
  }
  const load = (Object.hasOwn(commands, name) ? commands[name] : undefined) ?? unknown(name)
  const asked = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (asked.includes('--help') || asked.includes('-h')) {
    process.stdout.write(usageOf(name) ?? usage)
    return
  }
  await (
    await load()
  )(args, process.env)
}

function unknown(name: string): never {
  return stop(`There is no command '${name}'. See './pileus --help'.`, 2)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const sentence = sentenceOf(error)
  process.stderr.write(
    `${sentence === undefined && error instanceof Error ? error.stack : (sentence ?? String(error))}\n`,
  )
  process.exitCode = error instanceof Trouble ? error.exitCode : 1
}
