import { resolve } from 'node:path'
import type { Cloud } from './cloud.ts'
import { must } from './run.ts'

const root = resolve(import.meta.dirname, '../..')
const query = `
  import postgres from 'postgres'
  const url = new URL(process.argv[1])
  const [database, username] = [url.pathname.slice(1), url.username]
  const sql = postgres({ host: url.searchParams.get('host'), database, username, max: 1 })
  process.stdout.write(JSON.stringify(await sql.unsafe(process.argv[2])))
  await sql.end()`

/** The rows of a question to the cloud's embedded database: what leaked is just what no API shows. */
export async function rows<T>(cloud: Cloud, question: string): Promise<T[]> {
  const found = await must(process.execPath, ['server/src/main.ts', 'database', 'start', '--data', cloud.data], {
    cwd: root,
  })
  const { url } = JSON.parse(found.trim().split('\n').at(-1) ?? '{}') as { url: string }
  return rowsAt(url, question)
}

/** The same of the database at that URL. */
export async function rowsAt<T>(url: string, question: string): Promise<T[]> {
  return JSON.parse(await must(process.execPath, ['--input-type=module', '-e', query, url, question], { cwd: root }))
}
