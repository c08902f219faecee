// A new user's first minutes: exactly these commands, with a real guest.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { inGuest, makeKey, untilLogin } from './testing/guest.ts'
import { makeNamespace, pings } from './testing/namespace.ts'
import { whyNot } from './testing/needs.ts'
import { qemuOf } from './testing/qemu.ts'
import { until } from './testing/until.ts'

interface Shown {
  id: string
  status: string
}

test('from nothing to a machine that one can log into', { skip: whyNot('root', 'client', 'guest') }, async (t) => {
  const undo = cleanup(t)
  const namespace = await makeNamespace(undo)
  const cloud = await startCloud(undo, { namespace })
  const { openstack, ask, pileus } = cloud
  assert.match(cloud.said, /The cloud is ready/)
  const folder = await scratch(undo)
  const key = await makeKey(folder)
  const hello = join(folder, 'hello.sh')
  writeFileSync(hello, '#!/bin/sh\necho "hello from $(hostname)"\n')
  const status = async () => (await ask<Shown>('server', 'show', 'web')).status
  let login = { namespace, key, address: '' }
  let id = ''

  await t.test('create a machine', async () => {
    await openstack('keypair', 'create', '--public-key', `${key}.pub`, 'me')
    const wishes = ['--flavor', 'tiny', '--image', 'tiny', '--network', 'private', '--key-name', 'me']
    const made = await ask<Shown>('server', 'create', ...wishes, '--user-data', hello, '--wait', 'web')
    id = made.id
    assert.equal(made.status, 'ACTIVE')
    assert.equal(qemuOf(id).length, 1)
  })

  await t.test('log in by its floating IP', async () => {
    const { floating_ip_address: address } = await ask<{ floating_ip_address: string }>(
      ...['floating', 'ip', 'create', 'public'],
    )
    await openstack('server', 'add', 'floating', 'ip', 'web', address)
    login = { namespace, key, address }
    await untilLogin(login)
    assert.equal((await inGuest(login, 'hostname')).trim(), 'web')
    assert.ok(await pings(namespace, address))
  })

  await t.test('read its console: the boot, and what its user data said', async () => {
    const console = await until('the end of the boot', async () => {
      const text = await openstack('console', 'log', 'show', 'web')
      return text.includes('boot complete') && text
    })
    assert.match(console, /guest: init up/)
    assert.match(console, /^hello from web\r?$/m)
    const lines = await openstack('console', 'log', 'show', '--lines', '3', 'web')
    assert.ok(lines.trim().split('\n').length <= 3, lines)
  })

  await t.test('stop, start and reboot it', async () => {
    await openstack('server', 'stop', 'web')
    await until('SHUTOFF', async () => (await status()) === 'SHUTOFF')
    assert.deepEqual(qemuOf(id), [])
    await openstack('server', 'start', 'web')
    await until('ACTIVE', async () => (await status()) === 'ACTIVE')
    await untilLogin(login)
    const bootId = () => inGuest(login, 'cat /proc/sys/kernel/random/boot_id')
    const first = await bootId()
    await openstack('server', 'reboot', '--wait', 'web')
    await untilLogin(login)
    const second = await bootId()
    assert.notEqual(second, first)
    await openstack('server', 'reboot', '--hard', '--wait', 'web')
    await untilLogin(login)
    assert.notEqual(await bootId(), second)
    assert.equal(qemuOf(id).length, 1)
  })

  await t.test('the cloud goes down and comes up; the guest runs on', async () => {
    const before = qemuOf(id)
    await pileus('down')
    assert.deepEqual(qemuOf(id), before)
    assert.ok(await pings(namespace, login.address), 'the network works without the cloud')
    assert.match(await pileus('up', '--detach'), /The cloud is ready/)
    assert.deepEqual(qemuOf(id), before)
    assert.equal(await status(), 'ACTIVE')
    assert.match(await pileus('status'), /Hosts: 1, 1 up[\s\S]*Guests: 1 \(1 ACTIVE\)/)
    assert.ok((await inGuest(login, 'hostname')).includes('web'))
  })

  await t.test('down --guests stops the guest as well; it starts again later', async () => {
    await pileus('down', '--guests')
    assert.deepEqual(qemuOf(id), [])
    await pileus('up', '--detach')
    assert.equal(await status(), 'SHUTOFF')
    await openstack('server', 'start', 'web')
    await untilLogin(login)
  })

  await t.test('delete it: nothing is left', async () => {
    await openstack('server', 'delete', '--wait', 'web')
    assert.deepEqual(await ask('server', 'list'), [])
    assert.deepEqual(qemuOf(id), [])
    const ports = await ask<{ ID: string }[]>('port', 'list', '--device-owner', 'compute:nova')
    assert.deepEqual(ports, [])
    const machines = join(cloud.data, 'agent/machines')
    assert.deepEqual(readdirSync(machines), [])
  })
})
