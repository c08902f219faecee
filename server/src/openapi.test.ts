// The documents in server/openapi are what the routes say. PILEUS_UPDATE=1 writes them anew.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { describeService } from './openapi.ts'
import { testCloud } from '#lib/testing/cloud.ts'

const dir = new URL('../openapi/', import.meta.url)

test('the OpenAPI documents are current; write them anew with PILEUS_UPDATE=1', async (t) => {
  const cloud = await testCloud(t)
  const names: string[] = []
  for (const service of cloud.app.services) {
    const file = new URL(`${service.name}.json`, dir)
    names.push(`${service.name}.json`)
    const text = `${JSON.stringify(describeService(service), null, 1)}\n`
    if (process.env['PILEUS_UPDATE']) writeFileSync(file, text)
    assert.ok(existsSync(file), `${service.name}.json is missing`)
    assert.equal(
      readFileSync(file, 'utf8') === text,
      true,
      `server/openapi/${service.name}.json is not what the routes say`,
    )
  }
  assert.deepEqual(readdirSync(dir).toSorted(), names.toSorted())
})
