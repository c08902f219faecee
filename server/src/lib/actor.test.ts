import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessAllowed } from '#lib/actor.ts'

const allowed = (path: string, asked: string, method = 'GET') =>
  accessAllowed([{ service: 'compute', method: 'GET', path }], { services: ['compute'], method, path: asked })

test('a path of an access rule: one segment, any number, names in braces, the rest as it is', () => {
  const cases: [pattern: string, yes: string[], no: string[]][] = [
    ['/v2.1/servers', ['/v2.1/servers', '/v2.1/servers/'], ['/v2.1/servers/1', '/v2x1/servers', '/v2.1/server']],
    [
      '/v2.1/servers/*',
      ['/v2.1/servers/1', '/v2.1/servers/1/'],
      ['/v2.1/servers', '/v2.1/servers/', '/v2.1/servers/1/x'],
    ],
    ['/v3/users/{id}/x', ['/v3/users/7/x'], ['/v3/users/7/8/x', '/v3/users//x']],
    ['/v3/**', ['/v3/', '/v3/a/b/c'], ['/v2/a']],
    ['/a/**/z', ['/a/b/z', '/a/b/c/z', '/a/b/z/z/'], ['/a/z', '/a/b/zz']],
    ['/a*b/*', ['/axb/c', '/a-b-b/c'], ['/ab/c', '/ax/b/c']],
    ['/v2.1/servers/(a+)+', ['/v2.1/servers/(a+)+'], ['/v2.1/servers/aa']],
  ]
  for (const [pattern, yes, no] of cases) {
    for (const path of yes) assert.ok(allowed(pattern, path), `${pattern} ${path}`)
    for (const path of no) assert.ok(!allowed(pattern, path), `${pattern} ${path}`)
  }
  assert.ok(allowed('/v3/*', '/v3/a', 'HEAD'))
  assert.ok(!allowed('/v3/*', '/v3/a', 'POST'))
})

test('no pattern and no path take long together', () => {
  const pattern = `/${'**a'.repeat(42)}`
  assert.ok(!allowed(pattern, `/${'a'.repeat(16_000)}!`))
  assert.ok(allowed(pattern, `/${'a'.repeat(16_000)}`))
})
