import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

const account = '/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const box = `${account}/box`
const soon = () => Math.floor(Date.now() / 1000) + 60
const sign = (key: string, ...lines: (string | number)[]) =>
  createHmac('sha256', key).update(lines.join('\n')).digest('hex')

async function keyedBox(t: Parameters<typeof testCloud>[0]) {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  await member.put(box, undefined, { headers: { 'x-container-meta-temp-url-key': 'secret' } })
  await member.put(`${box}/dir/o`, undefined, { raw: 'hello' })
  return { cloud, member, stranger: cloud.as('stranger') }
}

test('a signed URL lets a stranger do what was signed, there, until then', async (t) => {
  const { member, stranger } = await keyedBox(t)
  const expires = soon()
  const query = (sig: string, more = '') => `?temp_url_sig=${sig}&temp_url_expires=${expires}${more}`
  const get = sign('secret', 'GET', expires, `${box}/dir/o`)
  const got = await stranger.get(`${box}/dir/o${query(get)}`)
  assert.equal(got.text, 'hello')
  assert.equal(got.headers['content-disposition'], `attachment; filename="o"; filename*=UTF-8''o`)
  assert.equal((await stranger.head(`${box}/dir/o${query(get)}`)).status, 200)
  assert.equal((await stranger.get(`${box}/dir/other${query(get)}`)).status, 401)
  assert.equal((await stranger.delete(`${box}/dir/o${query(get)}`)).status, 401)
  assert.equal((await stranger.get(`${box}/dir/o${query(sign('wrong', 'GET', expires, `${box}/dir/o`))}`)).status, 401)
  const past = sign('secret', 'GET', 1000, `${box}/dir/o`)
  assert.equal((await stranger.get(`${box}/dir/o?temp_url_sig=${past}&temp_url_expires=1000`)).status, 401)
  // as clients sign it that do not know where the service is mounted
  const short = box.replace('/object-store', '')
  assert.equal(
    (await stranger.get(`${box}/dir/o${query(sign('secret', 'GET', expires, `${short}/dir/o`))}`)).status,
    200,
  )
  const under = sign('secret', 'GET', expires, `prefix:${box}/dir/`)
  assert.equal((await stranger.get(`${box}/dir/o${query(under, '&temp_url_prefix=dir/')}`)).status, 200)
  assert.equal((await stranger.get(`${box}/else${query(under, '&temp_url_prefix=dir/')}`)).status, 401)
  for (const [range, status] of [
    ['127.0.0.0/8', 200],
    ['10.0.0.0/8', 401],
  ] as const) {
    const sig = sign('secret', `ip=${range}`, 'GET', expires, `${box}/dir/o`)
    assert.equal((await stranger.get(`${box}/dir/o${query(sig, `&temp_url_ip_range=${range}`)}`)).status, status)
  }
  const upload = `${box}/new${query(sign('secret', 'PUT', expires, `${box}/new`))}`
  assert.equal((await stranger.put(upload, undefined, { raw: 'mine' })).status, 201)
  assert.equal((await member.get(`${box}/new`)).text, 'mine')
})

test('a signed form uploads its files, and no other form does', async (t) => {
  const { member, stranger } = await keyedBox(t)
  const expires = soon()
  const form = (signature: string, size: number, body: string) => {
    const fields = { redirect: '', max_file_size: size, max_file_count: 2, expires, signature }
    const parts = Object.entries(fields).map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    const file = `--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\nContent-Type: text/mine\r\n\r\n${body}\r\n--b--\r\n`
    return stranger.post(`${box}/up-`, undefined, {
      raw: parts.join('') + file,
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
    })
  }
  const signature = sign('secret', `${box}/up-`, '', 100, 2, expires)
  assert.equal((await form(signature, 100, 'line\r\n--not the end\r\n')).status, 201)
  const got = await member.get(`${box}/up-f.txt`)
  assert.equal(got.text, 'line\r\n--not the end\r\n')
  assert.equal(got.headers['content-type'], 'text/mine')
  assert.equal((await form(signature, 1000, 'x')).status, 401)
  assert.equal((await form(signature, 100, 'x'.repeat(101))).status, 413)
  assert.equal((await form('0'.repeat(64), 100, 'x')).status, 401)
  assert.equal((await member.get(`${box}/up-f.txt`)).text, 'line\r\n--not the end\r\n')
})

test('a container as a web site: index, folders, lists, error pages', async (t) => {
  const { member, stranger } = await keyedBox(t)
  const set = (headers: Record<string, string>) => member.call('POST', box, undefined, { headers })
  await set({ 'x-container-read': '.r:*,.rlistings', 'x-container-meta-web-index': 'index.html' })
  await member.put(`${box}/index.html`, undefined, { raw: '<h1>home</h1>' })
  assert.equal((await stranger.get(`${box}/`)).text, '<h1>home</h1>')
  assert.equal((await stranger.get(`${box}/dir`)).status, 301)
  assert.equal((await stranger.get(`${box}/dir/`)).status, 404)
  await set({ 'x-container-meta-web-listings': 'true', 'x-container-meta-web-error': 'sorry.html' })
  assert.match((await stranger.get(`${box}/dir/`)).text, /<a href="o">o<\/a>/)
  await member.put(`${box}/404sorry.html`, undefined, { raw: 'not here' })
  const missing = await stranger.get(`${box}/nothing`)
  assert.deepEqual([missing.status, missing.text], [404, 'not here'])
  // the API is what who has a token sees
  assert.match((await member.get(box)).text, /^404sorry.html\n/)
})

test('other origins are let in as the container says', async (t) => {
  const { member, stranger } = await keyedBox(t)
  const ask = (origin: string) =>
    stranger.call('OPTIONS', `${box}/dir/o`, undefined, {
      headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-auth-token' },
    })
  assert.equal((await ask('http://a.example')).status, 401)
  const headers = { 'x-container-meta-access-control-allow-origin': 'http://a.example' }
  await member.call('POST', box, undefined, { headers })
  const allowed = await ask('http://a.example')
  assert.equal(allowed.headers['access-control-allow-origin'], 'http://a.example')
  assert.equal(allowed.headers['access-control-allow-headers'], 'x-auth-token')
  assert.equal((await ask('http://b.example')).status, 401)
  const got = await member.get(`${box}/dir/o`, { headers: { origin: 'http://a.example' } })
  assert.match(got.headers['access-control-expose-headers'] ?? '', /\betag\b/)
})
