// Objects, side by side with OpenStack's own Swift (Debian's packages) on the same disk in the same run:
//   node tools/object-bench.ts [--operations 4000] [--rounds 5] [--megabytes 256]
// As root, in a mount and a network namespace of its own; without the packages (swift-proxy, swift-account, swift-container,
// swift-object, memcached) Swift's column stays empty.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { measureBesideSwift } from './bench/objects-beside.ts'
import { table } from './bench/page.ts'

if (process.env['PILEUS_BENCH_NAMESPACE'] === undefined) {
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', ['--net', '--mount', '--propagation', 'private', ...inside], {
    stdio: 'inherit',
    env: { ...process.env, PILEUS_BENCH_NAMESPACE: '1' },
  })
  process.exit(status ?? 1)
}
const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '256' },
  },
})
const amounts = {
  operations: Number(values.operations),
  rounds: Number(values.rounds),
  megabytes: Number(values.megabytes),
}
process.stdout.write(`${table(await measureBesideSwift(amounts))}\n`)
