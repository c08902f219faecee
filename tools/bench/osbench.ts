import { readFileSync } from 'node:fs'

/** The figure of the first of these results that has it, by its path: `token.validate.server_cpu_ms_per_op`. */
export function figure(results: unknown[], ...paths: string[]): number | undefined {
  for (const path of paths)
    for (const result of results) {
      const found = path.split('.').reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), result)
      if (typeof found === 'number') return found
    }
  return undefined
}

/** The runs of a result file of osbench, with what the file says of the whole. */
export function readRuns(path: string): unknown[] {
  const file: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!isRecord(file)) throw new Error(`${path} is no result of osbench`)
  const { runs, run_list_500: longList } = file
  return [...(Array.isArray(runs) ? runs : []), longList, file]
}

/** Sections of a run that failed, with their reason. */
export function failures(runs: unknown[]): string[] {
  return runs
    .filter(isRecord)
    .flatMap((run) =>
      Object.entries(run).flatMap(([name, section]) =>
        isRecord(section) && typeof section['error'] === 'string' ? [`${name}: ${section['error']}`] : [],
      ),
    )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
