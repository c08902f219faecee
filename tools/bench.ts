// Measures Pileus and writes docs/benchmarks.md:
//   node tools/bench.ts --osbench PATH/osbench.py [--peer RESULT.json …] [--seconds 5]
//   node tools/bench.ts --only identity|objects        that section alone; the rest of the page stays
// As root with PILEUS_GUEST_IMAGE set it also measures a real guest and idle memory with an agent, in namespaces
// of its own. What is measured is CPU time of all our processes: on a shared machine wall time says little.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startCloud } from './bench/cloud.ts'
import { measureGeneral } from './bench/general.ts'
import { measureIdentity } from './bench/identity.ts'
import { measureObjects } from './bench/objects.ts'
import { readRuns } from './bench/osbench.ts'
import { figureOf, type Line, type Note, table } from './bench/page.ts'

const { values } = parseArgs({
  options: {
    osbench: { type: 'string' },
    peer: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    to: { type: 'string', default: resolve(import.meta.dirname, '../docs/benchmarks.md') },
  },
})
const { osbench } = values
const isPart = values.only === 'identity' || values.only === 'objects'
if (!isPart && (osbench === undefined || values.only !== undefined)) {
  process.stderr.write(
    'Usage: node tools/bench.ts --osbench PATH/osbench.py [--peer RESULT.json …] [--seconds 5]\n       node tools/bench.ts --only identity|objects\n',
  )
  process.exit(2)
}
const isRoot = process.getuid?.() === 0
if (isRoot && process.env['PILEUS_BENCH_NAMESPACE'] === undefined) {
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', ['--net', '--mount', '--propagation', 'private', ...inside], {
    stdio: 'inherit',
    env: { ...process.env, PILEUS_BENCH_NAMESPACE: '1' },
  })
  process.exit(status ?? 1)
}

const today = new Date().toISOString().slice(0, 10)
const load = () => `load average ${(loadavg()[0] ?? 0).toFixed(1)} before the run`

interface Section {
  name: string
  /** What stands at its beginning in the page. */
  title: string
  measure: (note: Note) => Promise<void>
  intro: () => string
}

const sections: Section[] = [
  {
    name: 'general',
    title: '# Benchmarks',
    measure: (note) =>
      measureGeneral(note, {
        osbench: osbench!,
        peers: values.peer.flatMap(readRuns),
        seconds: values.seconds,
        hasHost: isRoot && Boolean(process.env['PILEUS_GUEST_IMAGE']),
      }),
    intro: () => {
      const [processor] = cpus()
      return `Written by \`tools/bench.ts\`; change that, not this. ${today}, ${cpus().length} cores (${(processor?.model ?? 'unknown').trim()}), ${Math.round(totalmem() / 1e9)} GB, ${load()}.

\`\`\`
PILEUS_GUEST_IMAGE=… node tools/bench.ts --osbench osbench.py --peer peer-openstack.json …
\`\`\`

Milliseconds are CPU time of all our processes for each operation, database included: on a shared machine wall time says
little. Seconds are wall time. The OpenStack beside it is Zed from Debian 12's packages, two workers for each API, without a
data plane, measured by the same program (osbench) on a machine of the same size. Lists and creations are those of osbench
with eight clients, on \`./pileus up --sim 100\`; memory, start and first guest are those of a real \`./pileus up\`.`
    },
  },
  {
    name: 'identity',
    title: '## Identity of a large cloud',
    async measure(note) {
      const cloud = await startCloud(['--sim', '3', '--processes', '1'], false)
      try {
        await measureIdentity(cloud, note)
      } finally {
        await cloud.stop()
      }
    },
    intro:
      () => `50,000 projects in 50 domains, 25,000 of them in one, 100,000 users, 5,000 groups, 500,000 role assignments
(\`tools/bench/identity-load.ts\`); one server process on its embedded database. \`node tools/bench.ts --only identity\`
writes this section alone: ${today}, ${load()}.`,
  },
  {
    name: 'objects',
    title: '## Objects',
    measure: measureObjects,
    intro:
      () => `Objects of 4 KiB and lists of a thousand names out of a million: one server process on its embedded database, sixteen
clients (two for lists). 256 MiB: two server processes; the bare stream is one of Node through md5 into a file that is
fsynced, turn about on the same disk; memory is that of the servers while fifty are moved, so many at once. Beside Swift: Debian 12's packages, two
workers for each server, one replica, eight clients, in the same run. \`node tools/bench.ts --only objects\` writes this section
alone: ${today}, ${load()}.`,
  },
]

/** What the page has of a section now: up to the next one's title. */
function existing(section: Section): string {
  const page = readFileSync(values.to, 'utf8')
  const from = page.indexOf(`${section.title}\n`)
  if (from < 0) return ''
  const ends = sections.map(({ title }) => page.indexOf(`\n${title}\n`, from + 1)).filter((at) => at > 0)
  return page.slice(from, Math.min(page.length, ...ends)).trim()
}

async function measured({ title, measure, intro }: Section): Promise<string> {
  const said = intro() // the load is that before the run
  const lines: Line[] = []
  await measure((line) => {
    lines.push(line)
    process.stdout.write(`${line.what}: ${figureOf(line.ours, line.unit)} (target ${line.target ?? '–'})\n`)
  })
  return `${title}\n\n${said}\n\n${table(lines)}`
}

const texts: string[] = []
for (const section of sections)
  texts.push(isPart && section.name !== values.only ? existing(section) : await measured(section))
writeFileSync(values.to, `${texts.filter((text) => text !== '').join('\n\n')}\n`)
