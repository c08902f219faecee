import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import test, { type TestContext } from 'node:test'
import { freePort } from '../testing.ts'
import { Refused, request, type Session, signIn, upload } from './session.ts'

async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : assert.fail('no address')
}

const session: Session = { token: 'token', projectId: 'p', userId: 'u', base: '', endpoint: () => '' }
const credentials = {
  username: 'admin',
  password: 'secret',
  projectName: 'admin',
  userDomainName: 'Default',
  projectDomainName: 'Default',
  regionName: 'local',
}

test("a refusal is told in the cloud's own words, whichever envelope they come in", async (t) => {
  const envelopes = [
    { error: { code: 409, message: 'Taken.', title: 'Conflict' } },
    { NeutronError: { type: 'X', message: 'Taken.', detail: '' } },
    { conflictingRequest: { code: 409, message: 'Taken.' } },
    { code: '409', title: 'Conflict', message: 'Taken.' },
  ]
  for (const envelope of envelopes) {
    const url = await listen(t, (_, reply) => reply.writeHead(409).end(JSON.stringify(envelope)))
    await assert.rejects(request(session, 'POST', `${url}/v2.0/networks`, {}), (error: unknown) => {
      assert.ok(error instanceof Refused)
      assert.deepEqual([error.status, error.message], [409, 'POST /v2.0/networks was answered with 409: Taken.'])
      return true
    })
  }
})

test('an upload is streamed with its length and the token', async (t) => {
  const seen = Promise.withResolvers<[string | undefined, string | string[] | undefined, string]>()
  const url = await listen(t, (asked, reply) => {
    text(asked).then((body) => {
      seen.resolve([asked.headers['content-length'], asked.headers['x-auth-token'], body])
      reply.writeHead(204).end()
    }, seen.reject)
  })
  await upload(session, url, Readable.from([Buffer.from('ab'), Buffer.from('c')]), 3)
  assert.deepEqual(await seen.promise, ['3', 'token', 'abc'])
})

test('nobody there, and a wrong password, each get a sentence without the secret', async (t) => {
  const authUrl = `http://127.0.0.1:${await freePort()}/identity/v3`
  await assert.rejects(
    signIn({ ...credentials, authUrl }),
    /^Trouble: The cloud at http:.* does not answer\.$|does not answer/,
  )
  const url = await listen(t, (_, reply) => reply.writeHead(401).end('{"error":{"message":"no"}}'))
  await assert.rejects(signIn({ ...credentials, authUrl: url }), (error: unknown) => {
    assert.ok(error instanceof Error)
    assert.match(error.message, /does not accept the password of user 'admin'/)
    assert.doesNotMatch(error.message, /secret/)
    return true
  })
})

test('endpoints are those of our region, with the version that the CLI speaks', async (t) => {
  const endpoints = (url: string) => [
    { interface: 'public', region_id: 'elsewhere', url: 'http://elsewhere' },
    { interface: 'internal', region_id: 'local', url: 'http://internal' },
    { interface: 'public', region_id: 'local', url },
  ]
  const catalog = [
    { type: 'network', endpoints: endpoints('http://c/network') },
    { type: 'image', endpoints: endpoints('http://c/image/v2/') },
  ]
  const token = { user: { id: 'u1' }, project: { id: 'p1' }, catalog }
  const url = await listen(t, (_, reply) =>
    reply.writeHead(201, { 'x-subject-token': 'tok' }).end(JSON.stringify({ token })),
  )
  const signedIn = await signIn({ ...credentials, authUrl: `${url}/identity/v3` })
  assert.deepEqual([signedIn.token, signedIn.projectId, signedIn.base], ['tok', 'p1', url])
  assert.equal(signedIn.endpoint('network'), 'http://c/network/v2.0')
  assert.equal(signedIn.endpoint('image'), 'http://c/image/v2')
  assert.throws(() => signedIn.endpoint('compute'), /no compute endpoint in region local/)
})
