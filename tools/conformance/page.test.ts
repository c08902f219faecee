import assert from 'node:assert/strict'
import test from 'node:test'
import { conformancePage, type Result } from './page.ts'

const result = (passed: number, tests: Result['tests'] = {}): Result => ({
  services: { 'object-storage': { tests: 5, passed, failed: 2, skipped: 1, notrun: 1 } },
  tests,
})

test('a later result replaces an earlier one, and like reasons are counted together', () => {
  const page = conformancePage(
    [
      result(0),
      result(1, {
        'tempest.api.object_storage.a': { s: 'fail', why: 'got 404 for 01a1fc34-aec8-7e75-82ab-f13bd0c31328' },
        'tempest.api.object_storage.b': { s: 'fail', why: 'got 409 for 01a1fc34-aec8-7e75-82ab-f13bd0c31329' },
        'tempest.api.object_storage.c': { s: 'skip', why: 'no | here' },
        'tempest.api.network.d': { s: 'fail', why: 'of another service' },
      }),
    ],
    '2026-01-02',
  )
  assert.match(page, /\| object-storage \| 4 \| 1 \| 2 \| 1 \|/)
  assert.match(page, /- 2 × got N for ID/)
  assert.match(page, /- 1 × no here/)
  assert.match(page, /5xx: 0/)
  assert.doesNotMatch(page, /another service/)
})

test('failures by a server error are counted', () => {
  const tests = { 'tempest.api.object_storage.a': { s: 'fail', why: 'Got a server error: 503' } }
  assert.match(conformancePage([result(1, tests)], ''), /5xx: 1/)
})

test('a run with scopes enforced says so', () => {
  const scoped = { ...result(1), config: { 'identity-feature-enabled': { enforce_scope: 'true' } } }
  assert.match(conformancePage([scoped], ''), /\| object-storage \(with `enforceScope: identity`\) \| 4 \|/)
})
