// Connections: TLS in both ways, whom to trust, time limits and pools, against a real OpenLDAP server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { addPerson, directoryDomain, trySignIn, usualOptions } from './domain.testing.ts'
import { type Slapd, slapdMissing, startSlapd } from './slapd.testing.ts'

describe('connections to a directory', { skip: slapdMissing }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd()
    await addPerson(slapd, 'ada')
  })
  after(() => slapd?.stop())

  test('certificates are checked as the operator asks, by ldaps and by StartTLS', async (t) => {
    const cloud = await testCloud(t)
    const named = slapd.tlsUrl.replace('127.0.0.1', 'localhost')
    const elsewhere = slapd.tlsUrl.replace('127.0.0.1', '127.0.0.2')
    const cases: [string, Record<string, unknown>, number][] = [
      ['trusted', { url: slapd.tlsUrl, tls_cacertfile: slapd.caFile }, 201],
      ['trusted by name', { url: named, tls_cacertfile: slapd.caFile }, 201],
      ['unknown authority', { url: slapd.tlsUrl }, 503],
      ['no such file', { url: slapd.tlsUrl, tls_cacertfile: '/nowhere/ca.pem' }, 503],
      ['allowed', { url: slapd.tlsUrl, tls_req_cert: 'allow' }, 201],
      ['not checked', { url: slapd.tlsUrl, tls_req_cert: 'never' }, 201],
      ['StartTLS trusted', { use_tls: true, tls_cacertfile: slapd.caFile }, 201],
      ['StartTLS unknown', { use_tls: true }, 503],
      ['StartTLS not checked', { use_tls: 'True', tls_req_cert: 'never' }, 201],
      ['the second answers', { url: `${elsewhere},${slapd.tlsUrl}`, tls_cacertfile: slapd.caFile }, 201],
    ]
    for (const [name, options, status] of cases) {
      const domain = await directoryDomain(cloud, name, { ...usualOptions(slapd), ...options })
      await slapd.operations()
      assert.equal(await trySignIn(cloud, 'ada', domain), status, name)
      const asked = await slapd.operations()
      if (status === 503) assert.doesNotMatch(asked, /cn=reader/, `${name}: the account's password was sent`)
      else if (options['use_tls']) assert.match(asked, /STARTTLS/)
    }
  })

  test('connections are kept, replaced when the server closed them, and never more than the pool holds', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 0 })
    const domain = await directoryDomain(cloud, 'corp', { ...usualOptions(slapd), pool_size: 2, auth_pool_size: 1 })
    await slapd.operations()
    const statuses = await Promise.all(Array.from({ length: 6 }, () => trySignIn(cloud, 'ada', domain)))
    assert.deepEqual(new Set(statuses), new Set([201]))
    const accounts = (await slapd.operations()).match(/BIND dn="cn=reader\S* method=128/g)
    assert.ok(accounts && accounts.length <= 2, String(accounts?.length))
    const restarted = await startSlapd()
    t.after(() => restarted.stop())
    await addPerson(restarted, 'ada')
    const second = await directoryDomain(cloud, 'second', usualOptions(restarted))
    assert.equal(await trySignIn(cloud, 'ada', second), 201)
    await restarted.restart()
    assert.equal(await trySignIn(cloud, 'ada', second), 201)
  })

  test('a directory that does not answer is given up in its time', async (t) => {
    const cloud = await testCloud(t)
    const stuck = await startSlapd()
    t.after(() => stuck.stop())
    await addPerson(stuck, 'ada')
    const domain = await directoryDomain(cloud, 'stuck', { ...usualOptions(stuck), pool_connection_timeout: 1 })
    const other = await directoryDomain(cloud, 'other', usualOptions(slapd))
    assert.equal(await trySignIn(cloud, 'ada', domain), 201)
    stuck.pause()
    const waiting = trySignIn(cloud, 'ada', domain)
    // nobody else waits meanwhile
    assert.equal(await trySignIn(cloud, 'ada', other), 201)
    assert.equal(await waiting, 503)
    stuck.resume()
  })
})
