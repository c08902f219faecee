import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { isPublicAddress, parseWebhook, postWebhook } from '#lib/webhook.ts'

test('addresses of this network are told from those of the world', () => {
  for (const address of ['8.8.8.8', '193.99.144.80', '2606:4700::1111', '::ffff:8.8.8.8'])
    assert.equal(isPublicAddress(address), true, address)
  for (const address of [
    ...['127.0.0.1', '10.1.2.3', '172.20.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0', '100.64.0.1', '224.0.0.1'],
    ...['::1', '::', 'fe80::1', 'fd00::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', 'x'],
  ])
    assert.equal(isPublicAddress(address), false, address)
})

test('a webhook is a URL of the world, or of a host that the operator named', () => {
  assert.ok(parseWebhook('https://hooks.example.org/a', '') instanceof URL)
  assert.ok(parseWebhook('http://127.0.0.1:99/a', 'x, 127.0.0.1') instanceof URL)
  assert.ok(parseWebhook('http://127.0.0.1:99/a', '127.0.0.1:99') instanceof URL)
  // the same address, written in ways that only a parser of URLs sees through
  for (const url of [
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]/',
    'http://[::ffff:7f00:1]/',
  ])
    assert.match(String(parseWebhook(url, '')), /may not reach/, url)
  for (const url of ['ftp://x.test/', 'x', 'https://me:secret@x.test/'])
    assert.equal(typeof parseWebhook(url, ''), 'string')
})

test('a name that means this network is refused when the connection is made', async (t) => {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(req.url ?? '')
    res.writeHead(req.url === '/good' ? 204 : 302, { location: '/good' }).end()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const post = (url: string, allowed: string) =>
    postWebhook(new URL(url), { a: 1 }, { allowed, signal: AbortSignal.timeout(5000) })
  await assert.rejects(post(`http://localhost:${port}/good`, ''), /may not reach/)
  await assert.rejects(post(`http://127.0.0.1:${port}/good`, ''), /may not reach/)
  assert.deepEqual(asked, [])
  await post(`http://localhost:${port}/good`, 'localhost')
  await assert.rejects(post(`http://localhost:${port}/moved`, 'localhost'), /answered 302/)
  assert.deepEqual(asked, ['/good', '/moved'])
})
