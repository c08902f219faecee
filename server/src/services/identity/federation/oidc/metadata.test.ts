// Providers that behave badly, one way each.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { readConfig } from '#lib/config.ts'
import { whyRefused } from '../auth/refusal.ts'
import { askProvider } from './http.ts'
import { readMetadata } from './metadata.ts'

const config = readConfig({}, {})

async function serve(t: TestContext, answer: (base: string) => RequestListener): Promise<string> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.on('request', answer(base))
  t.after(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return base
}
const whyNot = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => assert.fail('it was taken'),
    (error: unknown) => whyRefused(error) ?? assert.fail(String(error)),
  )
const json = (value: unknown): RequestListener => {
  return (_req, res) => res.end(JSON.stringify(value))
}

test('metadata of another issuer, and what is none', async (t) => {
  const other = await serve(t, (base) => json({ issuer: `${base}/other`, jwks_uri: `${base}/jwks` }))
  assert.match(await whyNot(readMetadata(config, other)), /another issuer/)
  const none = await serve(t, () => json({ hello: 1 }))
  assert.match(await whyNot(readMetadata(config, none)), /not a provider's metadata/)
  const text = await serve(t, () => (_req, res) => res.end('<html>'))
  assert.match(await whyNot(readMetadata(config, text)), /not a provider's metadata/)
})

test('a provider that sends us elsewhere is not followed', async (t) => {
  let followed = 0
  const target = await serve(t, () => (_req, res) => {
    followed++
    res.end('{}')
  })
  const base = await serve(t, () => (_req, res) => res.writeHead(302, { location: target }).end())
  assert.match(await whyNot(askProvider(config, { url: base })), /gave no answer/)
  assert.equal(followed, 0)
})

test('an answer without end is cut off', async (t) => {
  const base = await serve(t, () => (_req, res) => {
    const more = () => {
      while (res.write('x'.repeat(65_536)));
      res.once('drain', more)
    }
    more()
  })
  assert.match(await whyNot(askProvider(config, { url: base })), /longer than/)
})

test('who is not there, and who may not be asked', async (t) => {
  const gone = await serve(t, () => (req) => req.socket.destroy())
  assert.match(await whyNot(readMetadata(config, gone)), /gave no answer/)
  for (const url of ['http://192.0.2.1/', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'nothing'])
    assert.match(await whyNot(askProvider(config, { url })), /not an address that may be asked/, url)
})

test('one who is away is not asked by everybody who comes', async (t) => {
  let asked = 0
  const base = await serve(t, () => (_req, res) => {
    asked++
    res.writeHead(500).end()
  })
  await Promise.all([1, 2, 3].map(() => whyNot(readMetadata(config, base))))
  await whyNot(readMetadata(config, base))
  assert.equal(asked, 1)
})
