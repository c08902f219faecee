interface Counts {
  tests: number
  passed: number
  failed: number
  skipped: number
  notrun: number
}

interface Test {
  s: string
  why?: string
}

export interface Result {
  services: Record<string, Counts>
  tests: Record<string, Test>
  /** tempest.conf: section → option → value. */
  config?: Record<string, Record<string, string>>
}

const shownReasons = 5

/** The page that says what Tempest said, service by service. */
export function conformancePage(results: Result[], date: string): string {
  const services = new Map<string, { counts: Counts; tests: [string, Test][]; isScoped: boolean }>()
  for (const result of results) {
    const all = Object.entries(result.tests)
    const isScoped = result.config?.['identity-feature-enabled']?.['enforce_scope'] === 'true'
    for (const [name, counts] of Object.entries(result.services))
      services.set(name, { counts, tests: all.filter(([id]) => serviceOf(id) === name), isScoped })
  }
  const rows = [...services].map(
    ([name, { counts, isScoped }]) =>
      `| ${name}${isScoped ? ' (with `enforceScope: identity`)' : ''} | ${counts.tests - counts.notrun} | ${counts.passed} | ${counts.failed} | ${counts.skipped} |`,
  )
  const reasons = [...services].flatMap(([name, { tests }]) => [
    ...topReasons(`${name}, failed`, tests, 'fail'),
    ...topReasons(`${name}, skipped`, tests, 'skip'),
  ])
  const serverErrors = [...services.values()].flatMap(({ tests }) =>
    tests.filter(([, { s, why = '' }]) => s === 'fail' && /\b50\d\b|ServerFault|ServerError/.test(why)),
  ).length
  return `# Conformance

What OpenStack's own integration suite, Tempest (from Debian 12's packages), says of Pileus. Written by \`tools/conformance.ts\`
from the suite's results (\`node tools/conformance.ts RESULT.json …\`); change that, not this. ${date}, on simulated hosts
unless a line says otherwise. Failures by an answer of 5xx: ${serverErrors}.

| service | reachable | passed | failed | skipped |
| --- | --: | --: | --: | --: |
${rows.join('\n')}
${reasons.length > 0 ? `\n## Why\n\n${reasons.join('\n')}` : ''}`
}

function topReasons(title: string, tests: [string, Test][], status: string): string[] {
  const counts = new Map<string, number>()
  for (const [, { s, why = 'no reason given' }] of tests)
    if (s === status) counts.set(general(why), (counts.get(general(why)) ?? 0) + 1)
  if (counts.size === 0) return []
  const top = [...counts].toSorted(([a, n], [b, m]) => m - n || a.localeCompare(b)).slice(0, shownReasons)
  return [`${title}:`, '', ...top.map(([why, count]) => `- ${count} × ${why}`), '']
}

/** The same reason for another resource is the same reason. */
function general(why: string): string {
  return why
    .replaceAll(/[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}/g, 'ID')
    .replaceAll(/tempest-[\w-]+/g, 'NAME')
    .replaceAll(/\d+/g, 'N')
    .replaceAll(/[|<>]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 200)
}

// `tempest.api.object_storage.…` is object-storage, `tempest.scenario.…` scenario, `neutron_tempest_plugin.…` neutron-plugin.
function serviceOf(testId: string): string {
  const [first = '', second = '', third = ''] = testId.split('.')
  if (first !== 'tempest') return first.replace(/_tempest_plugin$/, '-plugin').replaceAll('_', '-')
  return (second === 'api' ? third : second).replaceAll('_', '-')
}
