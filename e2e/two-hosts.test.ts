// Two hosts and the server, each in a network namespace of its own, joined by a bridge as by a switch. Only the first
// host reaches the public network, so the router is there, and the second guest's traffic crosses the tunnel.
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import test from 'node:test'
import { joinHost } from './testing/agent.ts'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { openDoor } from './testing/door.ts'
import { inGuest, makeKey, tryInGuest, untilLogin } from './testing/guest.ts'
import { joinNamespaces, makeNamespace, pings, underlay } from './testing/namespace.ts'
import { guestImage, whyNot } from './testing/needs.ts'
import { until } from './testing/until.ts'

interface Shown {
  id: string
  status: string
  'OS-EXT-SRV-ATTR:host': string
}

test('guests on two hosts', { skip: whyNot('root', 'client', 'guest') }, async (t) => {
  const undo = cleanup(t)
  const middle = await makeNamespace(undo)
  const left = await makeNamespace(undo)
  const right = await makeNamespace(undo)
  await joinNamespaces(middle, [left, right])
  const cloud = await startCloud(undo, {
    namespace: middle,
    listen: `${underlay.server}:8700`,
    args: ['--no-agent', '--processes', '1'],
  })
  const { openstack, ask } = cloud
  const tunnel = underlay.host
  await joinHost(undo, cloud, {
    ...{ name: 'left', namespace: left, tunnelAddress: tunnel(1), physical: ['public=172.24.4.1/24'] },
  })
  await joinHost(undo, cloud, { name: 'right', namespace: right, tunnelAddress: tunnel(2) })
  const key = await makeKey(await scratch(undo))
  const addresses: Record<string, string> = {}
  const login = (name: 'one' | 'two') => ({ namespace: left, key, address: addresses[`floating ${name}`] ?? '' })

  await t.test('one on each', async () => {
    await openstack('image', 'create', '--disk-format', 'qcow2', '--file', guestImage, 'tiny')
    await openstack('keypair', 'create', '--public-key', `${key}.pub`, 'me')
    await openstack('server', 'group', 'create', '--policy', 'anti-affinity', 'apart')
    const group = (await ask<{ id: string }>('server', 'group', 'show', 'apart')).id
    await openstack('security', 'group', 'create', 'closed')
    for (const rule of [
      ['--protocol', 'tcp', '--dst-port', '22'],
      ['--protocol', 'icmp'],
    ])
      await openstack('security', 'group', 'rule', 'create', ...rule, 'closed')
    const wishes = ['--flavor', 'tiny', '--image', 'tiny', '--network', 'private', '--key-name', 'me', '--wait']
    const hosts: string[] = []
    for (const name of ['one', 'two']) {
      const more = ['--security-group', 'closed', '--hint', `group=${group}`]
      const made = await ask<Shown>('server', 'create', ...wishes, ...more, name)
      assert.equal(made.status, 'ACTIVE')
      hosts.push(made['OS-EXT-SRV-ATTR:host'])
      const port = await ask<{ 'Fixed IP Addresses': { ip_address: string }[] }[]>('port', 'list', '--server', name)
      const fixed = port[0]?.['Fixed IP Addresses'].find(({ ip_address: ip }) => ip.includes('.'))
      addresses[name] = fixed?.ip_address ?? ''
      const floating = await ask<{ floating_ip_address: string }>('floating', 'ip', 'create', 'public')
      addresses[`floating ${name}`] = floating.floating_ip_address
      await openstack('server', 'add', 'floating', 'ip', name, floating.floating_ip_address)
    }
    assert.deepEqual(hosts.toSorted(), ['left', 'right'])
    await untilLogin(login('one'))
    await untilLogin(login('two'))
  })

  await t.test('they reach each other through the tunnel', async () => {
    await inGuest(login('one'), `ping -c 2 -W 3 ${addresses['two']}`)
    await inGuest(login('two'), `ping -c 2 -W 3 ${addresses['one']}`)
    // Whole frames, and not only small ones: the MTU leaves room for the tunnel's header.
    await inGuest(login('one'), `ping -c 2 -W 3 -s 1400 ${addresses['two']}`)
    assert.ok(await pings(left, addresses['floating two'] ?? ''))
  })

  await t.test('metadata from inside both', async () => {
    for (const name of ['one', 'two'] as const) {
      const { id } = await ask<Shown>('server', 'show', name)
      const found = await inGuest(login(name), 'wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json')
      const metadata = JSON.parse(found) as { uuid: string; name: string }
      assert.deepEqual([metadata.uuid, metadata.name], [id, name])
      const own = await inGuest(login(name), 'wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4')
      assert.equal(own.trim(), addresses[name])
    }
  })

  await t.test('a guest that uses an address not its own is not heard', async () => {
    const target = addresses['two'] ?? ''
    // What counts is what the other guest hears: no answer would come back to a forged address in any case.
    const heard = async () => echoRequests(await inGuest(login('two'), 'cat /proc/net/snmp'))
    const before = await heard()
    await inGuest(login('one'), `ping -c 3 -W 3 ${target}`)
    assert.equal(await heard(), before + 3)

    await inGuest(login('one'), 'ip addr add 10.10.0.250/24 dev eth0')
    await tryInGuest(login('one'), `ping -c 3 -W 1 -I 10.10.0.250 ${target}`)
    assert.equal(await heard(), before + 3, 'a forged address')
    await inGuest(login('one'), 'ip addr del 10.10.0.250/24 dev eth0')

    // With a forged MAC nobody could log in: the guest does it by itself, and then takes its own again.
    const mac = (await inGuest(login('one'), 'cat /sys/class/net/eth0/address')).trim()
    const forge = [
      'ip link set eth0 address fa:16:3e:00:00:99',
      `ping -c 3 -W 1 ${target} > /tmp/forged 2>&1`,
      `ip link set eth0 address ${mac}`,
    ]
    await inGuest(login('one'), `(${forge.join('; ')}) > /dev/null 2>&1 &`)
    const forged = await until('the guest has its own MAC again', async () => {
      const text = await inGuest(login('one'), 'cat /tmp/forged')
      return text.includes('packet loss') && text
    })
    assert.match(forged, /3 packets transmitted/)
    assert.equal(await heard(), before + 3, 'a forged MAC')

    // Nor can it take over its neighbour's address by telling everybody that it has it.
    await inGuest(
      login('one'),
      `ip addr add ${target}/32 dev eth0; arping -c 2 -U -I eth0 ${target}; ip addr del ${target}/32 dev eth0`,
    )
    assert.ok(await pings(left, addresses['floating two'] ?? ''))
    await inGuest(login('one'), `ping -c 2 -W 3 ${target}`)
  })

  await t.test('a security group lets in what a rule allows, and cuts what a rule allowed', async () => {
    await inGuest(login('two'), '(while true; do nc -l -p 5000 -e cat; done) > /dev/null 2>&1 &')
    const door = await openDoor(undo, left, addresses['floating two'] ?? '', 5000)
    assert.equal(await tryOnce(door), false)
    const rule = await ask<{ id: string }>(
      ...['security', 'group', 'rule', 'create', '--protocol', 'tcp', '--dst-port', '5000', 'closed'],
    )
    const line = await until('the rule lets a connection in', async () => {
      const socket = connect(door)
      if (await echo(socket, 'hello')) return socket
      socket.destroy()
      return undefined
    })
    undo(() => line.destroy())
    assert.ok(await echo(line, 'still open'))
    await openstack('security', 'group', 'rule', 'delete', rule.id)
    await until('the open connection is cut', async () => !(await echo(line, 'anyone there?')))
    assert.equal(await echo(line, 'really not?'), false)
    assert.equal(await tryOnce(door), false)
    assert.equal((await inGuest(login('two'), 'hostname')).trim(), 'two', 'other connections are left alone')
  })

  await t.test('delete both', async () => {
    await openstack('server', 'delete', '--wait', 'one', 'two')
    assert.deepEqual(await ask('server', 'list'), [])
  })
})

/** How many echo requests a machine has received, from its /proc/net/snmp. */
function echoRequests(snmp: string): number {
  const [names = [], values = []] = [...snmp.matchAll(/^Icmp: (.*)$/gm)].map((line) => line[1]?.split(' '))
  return Number(values[names.indexOf('InEchos')])
}

async function tryOnce(door: string): Promise<boolean> {
  const socket = connect(door)
  try {
    return await echo(socket, 'hello')
  } finally {
    socket.destroy()
  }
}

const answerWithinMs = 3_000

/** Whether the other side sends back what it is sent. */
async function echo(socket: Socket, word: string): Promise<boolean> {
  socket.on('error', () => {})
  const heard = Promise.withResolvers<boolean>()
  let text = ''
  const listen = (chunk: Buffer) => {
    text += chunk.toString()
    if (text.includes(word)) heard.resolve(true)
  }
  socket.on('data', listen)
  socket.once('close', () => heard.resolve(false))
  const timer = setTimeout(() => heard.resolve(false), answerWithinMs)
  try {
    if (socket.connecting) await once(socket, 'connect')
    socket.write(`${word}\n`)
    return await heard.promise
  } catch {
    return false
  } finally {
    clearTimeout(timer)
    socket.off('data', listen)
  }
}
