import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderProxy } from './metadata-proxy.ts'
import { portMarks, tail } from './names.ts'

test('one haproxy with a door in each namespace, in a stable order', () => {
  const doors = [
    { networkId: 'net-2', namespace: 'plane-router-1', link: 'qr-1' },
    { networkId: 'net-1', namespace: 'plane-dhcp-net-1', link: null },
  ]
  const text = renderProxy(doors, '/data/metadata.sock', '/run/x')
  assert.equal(text, renderProxy(doors.toReversed(), '/data/metadata.sock', '/run/x'))
  assert.equal(
    text.slice(text.indexOf('frontend')),
    `frontend plane-dhcp-net-1.all
 bind 169.254.169.254:80 namespace plane-dhcp-net-1
 maxconn 50
 http-request set-header X-Forwarded-For %[src]
 http-request set-header X-Network-Id net-1
 default_backend agent
frontend plane-router-1.qr-1
 bind 169.254.169.254:80 interface qr-1 namespace plane-router-1
 maxconn 50
 http-request set-header X-Forwarded-For %[src]
 http-request set-header X-Network-Id net-2
 default_backend agent
backend agent
 server agent unix@/data/metadata.sock
`,
  )
  assert.match(text, /stats socket \/run\/x\/proxy.sock .*expose-fd listeners/)
})

test('names come from the random end of an id; marks do not depend on who else is there', () => {
  assert.equal(tail('0198f0c2-7d3a-7c4e-9b1f-3a5c7e9d1b2f'), 'a5c7e9d1b2f')
  const alone = portMarks(['b'])
  const together = portMarks(['c', 'b', 'a'])
  assert.equal(alone.get('b'), together.get('b'))
  assert.equal(new Set(together.values()).size, 3)
  assert.ok(![...together.values()].includes(0))
})
