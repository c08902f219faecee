// Rules of the house that enumerate: they hold for every route, task and table that anyone adds.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { is } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { sql } from '#lib/db.ts'
import type { Route, Service } from '#lib/http/route.ts'
import { readMigrations } from '#lib/migrate.ts'
import { allDefinitions } from '#lib/task.ts'
import type { CrashScenario } from '#lib/testing/crash.ts'
import { testCloud } from '#lib/testing/cloud.ts'

// PostgreSQL gives these to every table.
const systemColumns = new Set(['xmin', 'ctid'])

const someId = '00000000-0000-4000-8000-000000000000'

interface Door {
  service: Service
  route: Route
  path: string
  name: string
}

function doors(services: readonly Service[]): Door[] {
  return services.flatMap((service) => {
    const at = (route: Route, path: string): Door[] => {
      const concrete = `${service.mount}${path}`.replaceAll(/:[A-Za-z]+/g, someId).replaceAll('*', 'x')
      const name = `${service.name} ${route.method} ${path}`
      if (!route.actions) return [{ service, route, path: concrete, name }]
      return Object.entries(route.actions).map(([action, each]) => ({
        service,
        route: each,
        path: concrete,
        name: `${name} ${action}`,
      }))
    }
    return [
      ...service.routes.flatMap((route) => at(route, `${service.prefix}${route.path}`)),
      ...(service.rootRoutes ?? []).flatMap((route) => at(route, route.path)),
    ]
  })
}

test('every route names a rule that exists', async (t) => {
  const cloud = await testCloud(t)
  for (const { service, route, name } of doors(cloud.app.services)) {
    const known = ['public', 'authenticated', 'optional'].includes(route.policy) || route.policy in service.policies
    assert.ok(known, `${name}: the rule ${route.policy} is not among the service's policies`)
  }
})

test('every rule that refers to another one finds it', async (t) => {
  const cloud = await testCloud(t)
  for (const { name, policies } of cloud.app.services) {
    for (const [rule, text] of Object.entries(policies)) {
      for (const [, other] of text.matchAll(/rule:([^\s()]+)/g))
        assert.ok(policies[other ?? ''] !== undefined, `${name}: ${rule} refers to ${other}`)
    }
  }
})

test('a stranger is refused at every door but the public ones', async (t) => {
  const cloud = await testCloud(t)
  const stranger = cloud.as('stranger')
  for (const { route, path, name } of doors(cloud.app.services)) {
    if (route.policy === 'public') continue
    const answer = await stranger.call(route.method, path)
    assert.equal(answer.status, 401, `${name} answers a stranger with ${answer.status}`)
  }
})

test('nothing that a member sends makes a 500: no body, an empty one, a wrong one, ids of nothing', async (t) => {
  const cloud = await testCloud(t)
  const bodies = [undefined, {}, [], 'text', { x: { y: [1, null, 'ü'] } }]
  for (const who of ['member', 'admin'] as const) {
    for (const { route, path, name } of doors(cloud.app.services)) {
      if (route.stream || route.policy === 'public') continue
      for (const body of route.method === 'GET' || route.method === 'HEAD' || route.method === 'DELETE'
        ? [undefined]
        : bodies) {
        const client = cloud.as(who)
        const options = { headers: {} }
        const answer = await client.call(route.method, path, body, options)
        assert.ok(
          answer.status < 500 || answer.status === 501,
          `${name} as ${who} with ${JSON.stringify(body)}: ${answer.status} ${answer.text.slice(0, 300)}`,
        )
      }
    }
  }
})

test('the tables in the code are those that the migrations make', async (t) => {
  const cloud = await testCloud(t)
  const rows = await cloud.db.rows<{ table_name: string; column_name: string; is_nullable: string; udt_name: string }>(
    sql`select table_name, column_name, is_nullable, udt_name from information_schema.columns where table_schema = 'public'`,
  )
  const real = new Map(rows.map((row) => [`${row.table_name}.${row.column_name}`, row]))
  const src = import.meta.dirname
  const files = globSync('{lib,services,clouds}/**/*.ts', { cwd: src }).filter(
    (file) => !file.includes('.test.') && !file.includes('testing'),
  )
  let seen = 0
  for (const file of files) {
    const exported = Object.values((await import(join(src, file))) as Record<string, unknown>)
    for (const table of exported) {
      if (!is(table, PgTable)) continue
      const { name, columns } = getTableConfig(table)
      seen++
      for (const column of columns) {
        if (systemColumns.has(column.name)) continue
        const found = real.get(`${name}.${column.name}`)
        assert.ok(found, `${file}: the database has no ${name}.${column.name}`)
        assert.equal(
          found.is_nullable === 'NO',
          column.notNull || column.primary,
          `${name}.${column.name}: null or not`,
        )
      }
    }
  }
  assert.ok(seen > 10, 'tables were found')
})

test('migrations have numbers of their own', () => {
  const numbers = readMigrations().map(({ name }) => name.slice(0, 4))
  assert.deepEqual(numbers, [...new Set(numbers)])
})

test('every step of every task is in a crash scenario, and every scenario is run', async (t) => {
  await testCloud(t) // loads every service, and with it every task
  const src = import.meta.dirname
  const declared = new Set<string>()
  for (const file of globSync('**/crash.scenarios.ts', { cwd: src })) {
    const { crashScenarios } = (await import(join(src, file))) as { crashScenarios: readonly CrashScenario[] }
    for (const { steps } of crashScenarios) for (const step of steps) declared.add(step)
    // the harness holds each scenario to the steps that it declares; so it must be run, and as a whole
    const beside = readFileSync(join(src, dirname(file), 'crash.test.ts'), 'utf8')
    assert.match(beside, /^import \{ crashScenarios \} from '\.\/crash\.scenarios\.ts'$/m, file)
    assert.match(beside, /^crashTests\(crashScenarios\)$/m, file)
  }
  // 'probe.…' is what tests of the engine call theirs
  const tasks = allDefinitions().filter(({ kind }) => !kind.startsWith('probe.'))
  const all = tasks.flatMap(({ kind, steps }) => Object.keys(steps).map((step) => `${kind}/${step}`))
  assert.ok(all.length > 5, 'tasks were found')
  assert.deepEqual(
    all.filter((step) => !declared.has(step)),
    [],
    'these are in no crash.scenarios.ts (CONTRIBUTING.md, "A new verb that takes time")',
  )
  const known = new Set(all)
  assert.deepEqual(
    [...declared].filter((step) => !known.has(step)),
    [],
    'these steps are in a crash.scenarios.ts and nowhere else',
  )
})
