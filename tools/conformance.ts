// Turns results of OpenStack's integration suite (Tempest; the `result.json` of its score runs) into docs/conformance.md:
//   node tools/conformance.ts RESULT.json …        a later file replaces an earlier one's figures of the same service
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { conformancePage, type Result } from './conformance/page.ts'

const files = process.argv.slice(2)
if (files.length === 0) {
  process.stderr.write('Usage: node tools/conformance.ts RESULT.json …\n')
  process.exit(2)
}
const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result)
const page = conformancePage(results, new Date().toISOString().slice(0, 10))
writeFileSync(resolve(import.meta.dirname, '../docs/conformance.md'), page)
process.stdout.write(page)
