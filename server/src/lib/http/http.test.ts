import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from 'typebox'
import { negotiate, parseVersion, versionText } from '#lib/microversion.ts'
import { nullable, requireValid, since, strict, until, versioned } from '#lib/http/schema.ts'
import { makeEnforcer } from '#lib/policy.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { view, type Viewer } from '#lib/view.ts'

test('versions are compared as numbers and refused by name', () => {
  assert.ok(parseVersion('2.10') > parseVersion('2.9'))
  assert.equal(versionText(parseVersion('2.96')), '2.96')
  for (const bad of ['2', '2.x', '2.01', 'v2.1', '2.1.1', ''])
    assert.throws(() => parseVersion(bad), { kind: 'invalid' })
  const range = { name: 'compute', legacyHeader: 'X-OpenStack-Nova-API-Version', min: '2.1', max: '2.96' }
  assert.equal(negotiate(range, {}), 2001)
  assert.equal(negotiate(range, { 'openstack-api-version': 'volume 3.5, compute 2.37' }), 2037)
  assert.equal(negotiate(range, { 'x-openstack-nova-api-version': '2.5' }), 2005)
  assert.equal(negotiate(range, { 'openstack-api-version': 'compute latest' }), 2096)
  assert.throws(() => negotiate(range, { 'openstack-api-version': 'compute 2.97' }), { kind: 'notAcceptable' })
})

test('a field of a later version is unknown to an earlier one', () => {
  const schema = strict({
    name: Type.String(),
    tags: Type.Optional(since('2.52', Type.Array(Type.String()))),
    files: Type.Optional(until('2.56', Type.String())),
    inner: Type.Optional(strict({ deep: Type.Optional(since('2.60', nullable(Type.Integer()))) })),
  })
  const at = versioned(schema)
  const accepts = (version: string, body: object) => at(parseVersion(version)).Check(body)
  assert.equal(accepts('2.51', { name: 'a', tags: [] }), false)
  assert.equal(accepts('2.52', { name: 'a', tags: [] }), true)
  assert.equal(accepts('2.56', { name: 'a', files: 'x' }), true)
  assert.equal(accepts('2.57', { name: 'a', files: 'x' }), false)
  assert.equal(accepts('2.59', { name: 'a', inner: { deep: 1 } }), false)
  assert.equal(accepts('2.60', { name: 'a', inner: { deep: null } }), true)
  assert.throws(() => requireValid(at(2001), { name: 'a', tags: [] }, 'body'), /unknown field tags/)
  assert.throws(() => requireValid(at(2001), { name: 5 }, 'body'), /field name: '5' /)
})

test('a view shows what the version and the policy allow', () => {
  interface Row {
    id: string
    host: string
    projectId: string
  }
  const rows = view<Row>(['thing', 'things'], {
    id: (r) => r.id,
    tags: { since: '2.26', get: () => [] },
    old: { until: '2.30', get: () => 1 },
    host: { policy: 'hosts', get: (r) => r.host },
    nothing: () => undefined,
  })
  const policy = makeEnforcer({ hosts: 'role:admin' })
  const viewer = (version: string, roles: string[]) =>
    ({
      version: parseVersion(version),
      policy,
      actor: { roles, projectId: 'p' },
      baseUrl: '',
      region: '',
    }) as unknown as Viewer
  const row = { id: '1', host: 'h', projectId: 'p' }
  assert.deepEqual(rows.show(row, viewer('2.1', ['reader'])), { thing: { id: '1', old: 1 } })
  assert.deepEqual(rows.list([row], viewer('2.31', ['admin'])), { things: [{ id: '1', tags: [], host: 'h' }] })
})

test('bodies that cannot be read are refused, each with a request id', async (t) => {
  const cloud = await testCloud(t, { maxBodyKb: 4 })
  const member = cloud.as('member')
  const json = { 'content-type': 'application/json' }
  const send = (raw: string | Buffer, headers: Record<string, string> = json) =>
    member.post('/image/v2/images', undefined, { raw, headers })
  for (const [raw, status, word] of [
    ['{"name": ', 400, /not valid JSON/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, /not valid UTF-8/],
    ['{"name": "a\\u0000b"}', 400, /U\+0000/],
    ['{"__proto__": {"isAdmin": true}}', 400, /__proto__/],
    [JSON.stringify({ name: 'x'.repeat(5000) }), 413, /larger than 4 KiB/],
  ] as const) {
    const answer = await send(raw)
    assert.equal(answer.status, status, String(raw).slice(0, 40))
    assert.match(answer.json.message, word)
    assert.match(answer.headers['x-openstack-request-id'] ?? '', /^req-[0-9a-f-]{36}$/)
  }
  assert.equal((await send('name=a', { 'content-type': 'text/plain' })).status, 415)
  assert.equal((await member.get('/image/v2/images/%00')).status, 404)
  assert.equal((await member.get('/image/v2/images?name=%00')).status, 400)
  assert.equal((await member.get('/image/v2/images/%E0%A4%A')).status, 400)
  assert.equal((await member.get('/nowhere')).status, 404)
  assert.equal((await member.post('/image/v2/schemas/image', {})).status, 405)
})

test('health, readiness and metrics', async (t) => {
  const cloud = await testCloud(t)
  const stranger = cloud.as('stranger')
  assert.equal((await stranger.get('/healthz')).status, 200)
  assert.equal((await stranger.get('/readyz')).status, 200)
  await stranger.get('/identity/v3')
  assert.match(
    (await stranger.get('/metrics')).text,
    /pileus_http_request_seconds_count\{service="identity",method="GET"/,
  )
})

test('a region stands before the mount of a regional service, and must exist', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const made = await member.post('/regions/local/image/v2/images', { name: 'a' })
  assert.equal(made.status, 201, made.text)
  assert.match(made.headers['location'] ?? '', /^http:\/\/cloud\.test\/regions\/local\/image\/v2\/images\//)
  assert.equal((await member.get(`/image/v2/images/${made.json.id}`)).status, 200)
  assert.equal((await member.get('/regions/elsewhere/image/v2/images')).status, 404)
  assert.equal((await member.get('/regions/%E0%A4%A/image/v2/images')).status, 400)
  assert.equal((await member.get('/regions/local/identity/v3')).status, 404)
})

test('names that every object inherits are names like others', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  assert.equal((await member.get('/image/v2/images?sort_key=constructor')).status, 400)
  assert.equal((await member.post('/image/v2/images', { name: 'odd', toString: 'x', constructor: 'y' })).status, 201)
  const found = await member.get('/image/v2/images?constructor=y&toString=x')
  assert.deepEqual(
    found.json.images.map((image: { name: string }) => image.name),
    ['odd'],
  )
})

test('a body that could harm what is behind is refused, whatever its spelling', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const send = (raw: string, type = 'application/json') =>
    member.post('/image/v2/images', undefined, { raw, headers: { 'content-type': type } })
  const deep = `{"name": ${'['.repeat(500)}${']'.repeat(500)}}`
  assert.match((await send(deep)).json.message, /nested/)
  assert.match((await send(String.raw`{"\u005f_proto__": {}}`)).json.message, /__proto__/)
  assert.match((await send(String.raw`{"name": "\u0000"}`)).json.message, /U\+0000/)
  assert.equal((await send(String.raw`{"name": "\\u0000 and [[[ \" __proto__"}`)).status, 201)
  const broken = await send('{"password": "hunter2" oops}')
  assert.equal(broken.status, 400)
  assert.ok(!broken.text.includes('hunter2'), broken.text)
  for (const type of [';;;', 'a b c']) assert.equal((await send('{}', type)).status, 415, type)
  const wrong = await cloud.as('admin').post('/identity/v3/users', { user: { name: 'u', password: 12_345_678 } })
  assert.equal(wrong.status, 400)
  assert.ok(!wrong.text.includes('12345678'), wrong.text)
})
