import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { s3Cloud } from '../testing.ts'

async function bucketWith(t: TestContext, config: Parameters<typeof s3Cloud>[1] = {}) {
  const made = await s3Cloud(t, config)
  const [member, anonymous] = [await made.s3('member'), await made.s3('anonymous')]
  assert.equal((await member.call('PUT', '/box')).status, 200)
  return { ...made, member, anonymous }
}

test('scripts of other origins are let in as the bucket says, and told so whatever they are answered', async (t) => {
  const { member, anonymous } = await bucketWith(t)
  const cors = (rule: string) =>
    member.call('PUT', '/box', { query: { cors: '' }, body: `<CORSConfiguration>${rule}</CORSConfiguration>` })
  assert.equal((await member.call('GET', '/box', { query: { cors: '' } })).the('Code'), 'NoSuchCORSConfiguration')
  const preflight = (origin: string, method: string, headers?: string) =>
    anonymous.call('OPTIONS', '/box/a', {
      headers: {
        origin,
        'access-control-request-method': method,
        ...(headers && { 'access-control-request-headers': headers }),
      },
    })
  assert.equal((await preflight('https://a.test', 'PUT')).status, 403)
  const rule = `<CORSRule><AllowedOrigin>https://*.site.test</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>
    <AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>`
  assert.equal((await cors(rule)).status, 200)
  const allowed = await preflight('https://www.site.test', 'PUT', 'X-Amz-Meta-A')
  assert.equal(allowed.status, 200)
  assert.equal(allowed.headers['access-control-allow-origin'], 'https://www.site.test')
  assert.equal(allowed.headers['access-control-max-age'], '60')
  for (const [origin, method, headers] of [
    ['https://evil.test', 'PUT', undefined],
    ['https://www.site.test', 'DELETE', undefined],
    ['https://www.site.test', 'PUT', 'authorization'],
  ] as const)
    assert.equal((await preflight(origin, method, headers)).status, 403)
  const answered = await member.call('GET', '/box/none', { headers: { origin: 'https://www.site.test' } })
  assert.deepEqual([answered.status, answered.headers['access-control-expose-headers']], [404, 'ETag'])
  const foreign = await member.call('GET', '/box/none', { headers: { origin: 'https://evil.test' } })
  assert.equal(foreign.headers['access-control-allow-origin'], undefined)
  const twoStars = rule.replace('https://*.site.test', 'https://*.*')
  assert.equal((await cors(twoStars)).the('Code'), 'InvalidRequest')
  assert.equal((await member.call('DELETE', '/box', { query: { cors: '' } })).status, 204)
  assert.equal((await preflight('https://www.site.test', 'PUT')).status, 403)
})

test('a bucket has tags of its own', async (t) => {
  const { member } = await bucketWith(t)
  const query = { tagging: '' }
  assert.equal((await member.call('GET', '/box', { query })).the('Code'), 'NoSuchTagSet')
  const body = '<Tagging><TagSet><Tag><Key>team</Key><Value>a+b</Value></Tag></TagSet></Tagging>'
  assert.equal((await member.call('PUT', '/box', { query, body })).status, 204)
  assert.equal((await member.call('GET', '/box', { query })).the('Value'), 'a+b')
  assert.equal((await member.call('DELETE', '/box', { query })).status, 204)
  assert.equal((await member.call('GET', '/box', { query })).the('Code'), 'NoSuchTagSet')
})

test('a bucket is a web site: index, folders, error page, redirections; only what is public', async (t) => {
  const { member, anonymous } = await bucketWith(t, { s3WebsiteDomains: 'web.test' })
  const site = (inside: string) =>
    member.call('PUT', '/box', {
      query: { website: '' },
      body: `<WebsiteConfiguration>${inside}</WebsiteConfiguration>`,
    })
  const get = (path: string) => anonymous.call('GET', path, { host: 'box.web.test' })
  assert.match((await get('/')).text, /NoSuchWebsiteConfiguration/)
  const rules = `<RoutingRules>
    <RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>docs/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
    <RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals><KeyPrefixEquals>lost/</KeyPrefixEquals></Condition><Redirect><HostName>else.test</HostName><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule>
  </RoutingRules>`
  const put = await site(
    `<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>404.html</Key></ErrorDocument>${rules}`,
  )
  assert.equal(put.status, 200, put.text)
  for (const [key, body] of [
    ['index.html', 'home'],
    ['docs/index.html', 'docs'],
    ['404.html', 'not here'],
  ] as const)
    await member.call('PUT', `/box/${key}`, { body, headers: { 'content-type': 'text/html' } })
  assert.equal((await get('/')).status, 403)
  const Statement = [
    {
      Effect: 'Allow',
      Principal: '*',
      Action: ['s3:GetObject', 's3:ListBucket'],
      Resource: ['arn:aws:s3:::box', 'arn:aws:s3:::box/*'],
    },
  ]
  await member.call('PUT', '/box', {
    query: { policy: '' },
    body: JSON.stringify({ Version: '2012-10-17', Statement }),
  })
  assert.deepEqual([(await get('/')).text, (await get('/docs/')).text], ['home', 'docs'])
  const folder = await get('/docs')
  assert.deepEqual([folder.status, folder.headers.location], [302, '/docs/'])
  const missing = await get('/nowhere')
  assert.deepEqual([missing.status, missing.text], [404, 'not here'])
  const moved = await get('/old/index.html')
  assert.deepEqual([moved.status, moved.headers.location], [301, 'http://box.web.test/docs/index.html'])
  const lost = await get('/lost/x')
  assert.deepEqual([lost.status, lost.headers.location], [302, 'http://else.test/lost/x'])
  assert.equal((await anonymous.call('PUT', '/x', { host: 'box.web.test', body: 'x' })).status, 405)
  const all = '<RedirectAllRequestsTo><HostName>else.test</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>'
  assert.equal((await site(all)).status, 200)
  assert.equal((await get('/a')).headers.location, 'https://else.test/a')
  for (const [inside, code] of [
    ['', 'InvalidArgument'],
    ['<IndexDocument><Suffix>a/b</Suffix></IndexDocument>', 'InvalidArgument'],
    [`${all}<IndexDocument><Suffix>i</Suffix></IndexDocument>`, 'InvalidRequest'],
  ] as const)
    assert.equal((await site(inside)).the('Code'), code)
})

test('what has one answer here is answered, not refused', async (t) => {
  const { member } = await bucketWith(t)
  for (const query of ['accelerate', 'logging', 'requestPayment'])
    assert.equal((await member.call('GET', '/box', { query: { [query]: '' } })).status, 200, query)
  const requester = '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>'
  assert.equal((await member.call('PUT', '/box', { query: { requestPayment: '' }, body: requester })).status, 501)
  assert.equal((await member.call('GET', '/box', { query: { replication: '' } })).status, 501)
})
