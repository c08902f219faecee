// Runs the tests: `node tools/test.ts [--with-e2e] [FILE …]`. Without files: every src/**/*.test.ts of every workspace,
// split over two processes without isolation (a process for each file costs more than the tests), then on demand
// e2e/*.test.ts and the workspaces' real-*.test.ts (they boot guests too) one after the other. The last line sums up, and the exit code is 0 only when nothing failed.
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Counts } from './test-reporter.ts'

const root = resolve(import.meta.dirname, '..')
const reporter = join(import.meta.dirname, 'test-reporter.ts')
const unitProcesses = 2
const limitMinutes = { unit: 25, e2e: 60 }

interface Batch {
  files: string[]
  flags: string[]
  limitMinutes: number
  /** Show each test as it ends: for those that take long. */
  verbose: boolean
}

async function run({ files, flags, limitMinutes: minutes, verbose }: Batch): Promise<Counts> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'pileus-test-'))
  const countsFile = join(scratch, 'counts.json')
  const child = spawn(
    process.execPath,
    ['--test', ...flags, `--test-reporter=${reporter}`, '--test-reporter-destination=stdout', ...files],
    {
      cwd: root,
      env: { ...process.env, PILEUS_TEST_COUNTS: countsFile, PILEUS_TEST_VERBOSE: verbose ? '1' : '' },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  const timer = setTimeout(() => {
    process.stdout.write(`The tests did not end within ${minutes} minutes and are stopped.\n`)
    child.kill('SIGKILL')
  }, minutes * 60_000)
  const { promise, resolve: ended, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject)
  child.on('exit', ended)
  const code = await promise
  clearTimeout(timer)
  const counts = readCounts(countsFile)
  rmSync(scratch, { recursive: true })
  // A process that failed without a failed test died on its way, or a file of it could not be loaded.
  if (code !== 0 && counts.failed === 0) {
    process.stdout.write(
      `A test process ended with ${code ?? 'a signal'} before its tests were complete: ${files.join(' ')}\n`,
    )
    return { ...counts, failed: 1 }
  }
  return counts
}

function readCounts(path: string): Counts {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Counts
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}

/** The files in `parts` lots of about the same weight, a file's size standing for its time. */
function split(files: string[], parts: number): string[][] {
  const lots = Array.from({ length: parts }, () => ({ weight: 0, files: [] as string[] }))
  const sized = files.map((file) => ({ file, size: statSync(join(root, file)).size }))
  for (const { file, size } of sized.toSorted((a, b) => b.size - a.size)) {
    const lightest = lots.toSorted((a, b) => a.weight - b.weight)[0]
    lightest?.files.push(file)
    if (lightest) lightest.weight += size + 1
  }
  return lots.map((lot) => lot.files.toSorted())
}

function sum(all: Counts[]): Counts {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const counts of all) for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key]
  return total
}

const args = process.argv.slice(2)
const withEnd2End = args.includes('--with-e2e')
const named = args.filter((arg) => !arg.startsWith('--')).map((file) => resolve(file).slice(root.length + 1))
const found =
  named.length > 0
    ? named
    : globSync('{agent,cli,contract,server,tools}/{src/,}**/*.test.ts', {
        cwd: root,
        exclude: (name) => name === 'node_modules',
      })
// Without e2e those that need a guest say themselves why they are skipped.
const isLong = (file: string) => file.startsWith('e2e/') || (withEnd2End && /(^|\/)real-[^/]*\.test\.ts$/.test(file))
const all = [...new Set([...found, ...(withEnd2End ? globSync('e2e/*.test.ts', { cwd: root }) : [])])].toSorted()
const files = all.filter((file) => !isLong(file))
const e2e = all.filter(isLong)

const unit = await Promise.all(
  split(files, unitProcesses).map((lot) =>
    run({ files: lot, flags: ['--test-isolation=none'], limitMinutes: limitMinutes.unit, verbose: false }),
  ),
)
// Real guests want the machine to themselves.
const end2End = await run({
  files: e2e,
  flags: ['--test-concurrency=1'],
  limitMinutes: limitMinutes.e2e,
  verbose: true,
})
const { passed, failed, skipped } = sum([...unit, end2End])
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
