// The whole data plane on the real kernel. See testing/rig.ts for the world these tests run in.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { on } from 'node:events'
import { fileURLToPath } from 'node:url'
import { chmod, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import type { PortSpec } from '@pileus/contract/agent.ts'
import { run } from '../run.ts'
import { linkLocal } from './address.ts'
import { bridgeName, dhcpNamespace, routerNamespace, tapName } from './names.ts'
import { listNamespaces, namespacePath, runIn } from './namespaces.ts'
import { probeNetwork } from './probe.ts'
import { readLinks } from './read.ts'
import {
  documents,
  externalNetwork,
  nothing,
  openRule,
  portIn,
  renumbered,
  routerFor,
  tenantNetwork,
} from './testing/documents.ts'
import { eventually, type Guest, makeRig, type Rig, whyNot } from './testing/rig.ts'

const why = await whyNot()

/** Two guests hold a connection; `says` tells whether a line still gets through. */
async function connect(from: Guest, to: Guest, address: string, port: number) {
  const server = to.start('busybox', 'nc', '-l', '-p', String(port))
  let heard = ''
  server.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  const client = from.start('busybox', 'sh', '-c', `until busybox nc ${address} ${port}; do :; done`)
  let lines = 0
  const says = async (timeoutMs?: number): Promise<boolean> => {
    const word = `line ${++lines}\n`
    client.stdin.write(word)
    return eventually(async () => heard.includes(word), timeoutMs)
  }
  return { says }
}

describe('data plane', { skip: why ?? false }, () => {
  let rig: Rig
  const apply = async (wishes: ReturnType<typeof documents>): Promise<void> => {
    const states = await Promise.all(rig.hosts.map((host, i) => host.apply(wishes[i] ?? nothing)))
    for (const state of states) assert.equal(state.error, null)
  }
  before(async () => {
    rig = await makeRig()
  })
  after(() => rig.close())

  test('guests of a network reach each other on one host and across hosts, and no other network', async () => {
    const [one, two] = rig.hosts
    const red = tenantNetwork()
    const blue = tenantNetwork()
    const [a, b, c, stranger] = [portIn(red, 11), portIn(red, 12), portIn(red, 13), portIn(blue, 11)]
    const guestA = await rig.guest(one, a)
    const guestB = await rig.guest(one, b)
    const guestC = await rig.guest(two, c)
    const guestS = await rig.guest(two, stranger)
    const wishes = documents(
      [red, blue],
      [
        [a, b],
        [c, stranger],
      ],
    )
    assert.deepEqual(await one.apply(wishes[0]), { ready: true, ports: [a.id, b.id], routers: [], error: null })
    await apply(wishes)
    assert.ok(await eventually(() => guestA.pings('10.0.0.12')), 'same host')
    assert.ok(await eventually(() => guestA.pings('10.0.0.13')), 'across hosts')
    assert.ok(await guestB.pings('fd00:1::13'), 'IPv6 across hosts')
    assert.ok(await guestC.pings('fd00:1::12'), 'IPv6 back')
    assert.equal(await guestS.pings('10.0.0.12'), false, 'the same range in another network')

    // The DHCP server is on both hosts with one MAC; only the own one may answer, also for the metadata address.
    for (const address of ['10.0.0.2', '169.254.169.254']) {
      const { stdout } = await guestA.run('arping', '-c', '2', '-w', '3', '-I', 'eth0', address)
      assert.match(stdout, /Received 2 response/)
    }
  })

  test('a guest is given its address by DHCP and its metadata by the agent', async () => {
    const [one] = rig.hosts
    const network = tenantNetwork()
    const port = portIn(network, 21, { dhcpOptions: [{ name: '66', value: 'boot.example.org', version: 4 }] })
    const late = portIn(network, 22)
    const guest = await rig.guest(one, port, { static: false })
    await apply(documents([network], [[port], []]))
    const lease = await askDhcp(guest)
    assert.equal(lease['ip'], '10.0.0.21')
    assert.equal(lease['mask'], '24')
    assert.equal(lease['router'], '10.0.0.1')
    assert.equal(lease['dns'], '192.0.2.53')
    assert.equal(lease['domain'], 'example.org')
    assert.equal(lease['hostname'], 'guest-21')
    assert.equal(lease['mtu'], '1400')
    assert.equal(lease['tftp'], 'boot.example.org')
    assert.equal(lease['staticroutes'], '169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1')

    await guest.run('ip', 'addr', 'add', '10.0.0.21/24', 'dev', 'eth0')
    await guest.run('ip', 'route', 'add', '169.254.169.254/32', 'via', '10.0.0.2')
    const url = 'http://169.254.169.254/openstack/latest/meta_data.json'
    const fetched = await guest.run('busybox', 'timeout', '5', 'busybox', 'wget', '-q', '-O', '-', url)
    assert.equal(fetched.stdout, 'hello 10.0.0.21\n')
    assert.deepEqual(rig.asked.at(-1), {
      url: '/openstack/latest/meta_data.json',
      from: '10.0.0.21',
      network: network.id,
    })

    // A port that comes later, and one that takes over another's address while its lease would still run.
    const lateGuest = await rig.guest(one, late, { static: false })
    await apply(documents([network], [[port, late], []]))
    assert.equal((await askDhcp(lateGuest))['ip'], '10.0.0.22')
    const heir = portIn(network, 23, { addresses: port.addresses })
    const heirGuest = await rig.guest(one, heir, { static: false })
    await apply(documents([network], [[heir, late], []]))
    assert.equal((await askDhcp(heirGuest))['ip'], '10.0.0.21')
  })

  test('a guest is given its IPv6 address by DHCPv6, and told by the router to ask for it', async () => {
    const [one] = rig.hosts
    const network = tenantNetwork()
    network.subnets = network.subnets.map((subnet) =>
      subnet.version === 4
        ? subnet
        : {
            ...subnet,
            dhcp: true,
            dhcpAddress: 'fd00:1::2',
            raMode: 'dhcpv6-stateful',
            addressMode: 'dhcpv6-stateful',
            dns: ['fd00:1::53'],
          },
    )
    const port = portIn(network, 26)
    const guest = await rig.guest(one, port, { static: false })
    await apply(documents([network], [[port], []], [routerFor([network])]))
    const script = fileURLToPath(import.meta.resolve('./testing/ask-dhcpv6.ts'))
    const { stdout } = await guest.run(process.execPath, script, 'eth0', port.mac)
    assert.deepEqual(JSON.parse(stdout), {
      type: 2, // ADVERTISE
      from: linkLocal(network.dhcpMac),
      dns: 'fd00:1::53',
      address: 'fd00:1::26',
    })
    const routed = async (): Promise<boolean> =>
      (await guest.run('ip', '-6', 'route', 'show', 'default')).stdout.includes('proto ra')
    assert.ok(await eventually(routed), 'a default route by advertisement')
    const addresses = (await guest.run('ip', '-6', 'addr', 'show', 'scope', 'global')).stdout
    assert.equal(addresses, '', 'no address of its own making')
  })

  test('what a guest may send and hear: its own addresses, as a secured and as an unsecured port', async () => {
    const [one] = rig.hosts
    const network = tenantNetwork()
    const [liar, victim] = [portIn(network, 31), portIn(network, 32)]
    const guest = await rig.guest(one, liar)
    await rig.guest(one, victim)
    await apply(documents([network], [[liar, victim], []]))
    assert.ok(await eventually(() => guest.pings('10.0.0.32')))
    assert.ok(await guest.pings('fd00:1::32'))
    await guest.run('ip', 'addr', 'add', '10.0.0.99/24', 'dev', 'eth0')
    await guest.run('ip', 'addr', 'add', 'fd00:1::99/64', 'dev', 'eth0', 'nodad')
    const pingAs = (version: '4' | '6', source: string, target: string): Promise<boolean> =>
      guest.run('busybox', version === '4' ? 'ping' : 'ping6', '-c', '1', '-W', '1', '-I', source, target).then(
        () => true,
        () => false,
      )
    assert.equal(await pingAs('4', '10.0.0.99', '10.0.0.32'), false, 'another IPv4 address')
    assert.equal(await pingAs('6', 'fd00:1::99', 'fd00:1::32'), false, 'another IPv6 address')
    const stolen = await guest.run('arping', '-D', '-c', '1', '-w', '1', '-I', 'eth0', '10.0.0.32').catch((e) => e)
    assert.match(stolen.stdout, /Received 1 response/, 'duplicate address detection is heard')

    const pairs = [
      { mac: liar.mac, cidr: '10.0.0.96/28' },
      { mac: liar.mac, cidr: 'fd00:1::99' },
    ]
    await apply(documents([network], [[{ ...liar, allowedPairs: pairs }, victim], []]))
    assert.ok(await pingAs('4', '10.0.0.99', '10.0.0.32'), 'an allowed IPv4 address')
    assert.ok(await pingAs('6', 'fd00:1::99', 'fd00:1::32'), 'an allowed IPv6 address')

    await apply(documents([network], [[liar, victim], []]))
    assert.equal(await pingAs('4', '10.0.0.99', '10.0.0.32'), false, 'no longer allowed')
    await apply(documents([network], [[{ ...liar, secured: false }, victim], []]))
    assert.ok(await pingAs('4', '10.0.0.99', '10.0.0.32'), 'an unsecured port')
    await apply(documents([network], [[{ ...liar, up: false }, victim], []]))
    assert.equal(await guest.pings('10.0.0.32'), false, 'a port that is down')
  })

  test('a guest cannot play the DHCP server or the router of its network, unless its port is unsecured', async () => {
    const [one] = rig.hosts
    const plain = tenantNetwork()
    const subnets = plain.subnets.map((subnet) => ({ ...subnet, dhcp: false, dhcpAddress: null }))
    const network = { ...plain, subnets }
    const [rogue, victim] = [portIn(network, 36), portIn(network, 37)]
    const guestRogue = await rig.guest(one, rogue)
    const guestVictim = await rig.guest(one, victim, { static: false })
    await apply(documents([network], [[rogue, victim], []]))
    const ranges = ['--dhcp-range=10.0.0.200,10.0.0.210', '--dhcp-range=fd00:1::,ra-only', '--enable-ra']
    guestRogue.start('dnsmasq', '-k', '-C', '/dev/null', '-p', '0', '-u', 'root', '--leasefile-ro', ...ranges)
    const leased = async (): Promise<boolean> => {
      const once = ['-i', 'eth0', '-n', '-q', '-f', '-t', '2', '-T', '1', '-s', '/bin/true']
      return guestVictim.run('busybox', 'udhcpc', ...once).then(
        () => true,
        () => false,
      )
    }
    const advertised = async (): Promise<boolean> =>
      (await guestVictim.run('ip', '-6', 'route', 'show', 'default')).stdout.includes('proto ra')
    assert.equal(await leased(), false)
    assert.equal(await advertised(), false)
    await apply(documents([network], [[{ ...rogue, secured: false }, victim], []]))
    assert.ok(await eventually(leased))
    await guestVictim.run('ip', 'link', 'set', 'eth0', 'down')
    await guestVictim.run('ip', 'link', 'set', 'eth0', 'up') // asks for routers
    assert.ok(await eventually(advertised))
  })

  test('security groups allow, deny, follow group members, and cut connections that lose their rule', async () => {
    const [one, two] = rig.hosts
    const network = tenantNetwork()
    const tcp = (portMin: number): ReturnType<typeof openRule> => ({
      ...openRule('ingress'),
      protocol: 6,
      portMin,
      portMax: portMin,
    })
    const server = portIn(network, 41, { rules: [openRule('egress'), tcp(80), tcp(81)] })
    const near = portIn(network, 42)
    const far = portIn(network, 43)
    const guestServer = await rig.guest(one, server)
    const guestNear = await rig.guest(one, near)
    const guestFar = await rig.guest(two, far)
    const wish = (rules: typeof server.rules, members: string[] = []): ReturnType<typeof documents> =>
      documents([network], [[{ ...server, rules }, near], [far]], [], { friends: members })
    await apply(wish(server.rules))
    assert.ok(await eventually(() => guestServer.pings('10.0.0.42')), 'answers come back in')
    assert.ok(await eventually(() => guestServer.pings('10.0.0.43')))
    assert.equal(await guestNear.pings('10.0.0.41'), false, 'ping is not allowed in')

    const [closing, staying] = [
      await connect(guestNear, guestServer, '10.0.0.41', 80),
      await connect(guestFar, guestServer, '10.0.0.41', 81),
    ]
    assert.ok(await closing.says())
    assert.ok(await staying.says())
    await apply(wish([openRule('egress'), tcp(81)]))
    assert.equal(await closing.says(500), false, 'its rule is gone')
    assert.ok(await staying.says(), 'its rule is still there')

    const friends = { ...openRule('ingress'), remoteGroup: 'friends', protocol: 1, portMin: 8, portMax: 0 }
    await apply(wish([openRule('egress'), friends], ['10.0.0.43']))
    assert.ok(await guestFar.pings('10.0.0.41'), 'a member')
    assert.equal(await guestNear.pings('10.0.0.41'), false, 'not a member')
    await apply(wish([openRule('egress'), friends], ['10.0.0.42']))
    assert.ok(await guestNear.pings('10.0.0.41'), 'a member now')
    assert.equal(await guestFar.pings('10.0.0.41'), false, 'a member no more')
  })

  test('a router joins networks, leads out with its own address, and floating IPs lead in', async () => {
    const [one, two] = rig.hosts
    const red = tenantNetwork()
    const blue = renumbered(tenantNetwork(), '10.0.1.', 'fd00:2::')
    for (const subnet of [...red.subnets, ...blue.subnets]) if (subnet.version === 6) subnet.raMode = 'slaac'
    const external = externalNetwork()
    const a = autoconfigured(portIn(red, 51), 'fd00:1::')
    const b = autoconfigured(portIn(blue, 52), 'fd00:2::')
    const addressOfB = b.addresses[1]?.address ?? ''
    const guestA = await rig.guest(one, a, { gateway: '10.0.0.1' })
    const guestB = await rig.guest(two, b, { gateway: '10.0.1.1' })
    const router = routerFor([red, blue], external, 150)
    await apply(documents([red, blue], [[a], [b]], [{ ...router, gateway: null }]))
    assert.ok(await eventually(() => guestA.pings('10.0.1.52')), 'between networks and hosts')
    assert.ok(await eventually(() => guestA.pings(addressOfB)), 'by the default route that the router advertises')
    assert.ok((await guestB.run('ip', '-6', 'addr', 'show', 'dev', 'eth0')).stdout.includes(`${addressOfB}/64`))
    assert.equal(await guestA.pings('172.24.4.1'), false, 'there is no way out yet')

    const floating = { floating: '172.24.4.200', fixed: '10.0.1.52' }
    await apply(documents([red, blue, external], [[a], [b]], [{ ...router, floatingIps: [floating] }]))
    assert.ok(await eventually(() => guestA.pings('172.24.4.1')), 'out with the router’s address')
    const outside = (address: string): Promise<boolean> =>
      runIn(one.namespace, 'busybox', ['ping', '-c', '1', '-W', '1', address]).then(
        () => true,
        () => false,
      )
    assert.ok(await outside('172.24.4.200'), 'in by the floating IP')
    assert.ok(await guestA.pings('172.24.4.200'), 'from inside by the floating IP')
    assert.equal(await peerSeen(rig, guestA), '172.24.4.150')
    assert.equal(await peerSeen(rig, guestB), '172.24.4.200')

    await apply(documents([red, blue, external], [[a], [b]], [router]))
    assert.equal(await outside('172.24.4.200'), false, 'the floating IP is gone')
    assert.equal(await peerSeen(rig, guestB), '172.24.4.150')
    await apply(documents([red], [[a], []]))
    assert.equal((await listNamespaces()).has(routerNamespace(one.plane, router.id)), false)
  })

  test('without DHCP a guest reaches its metadata through the router; guests may be on the external network', async () => {
    const [one] = rig.hosts
    const plain = tenantNetwork()
    const network = {
      ...plain,
      subnets: plain.subnets.map((subnet) => ({ ...subnet, dhcp: false, dhcpAddress: null })),
    }
    const external = externalNetwork()
    const [inner, outer] = [portIn(network, 61), portIn(external, 62)]
    const guest = await rig.guest(one, inner, { gateway: '10.0.0.1' })
    const outside = await rig.guest(one, outer)
    await apply(documents([network, external], [[inner, outer], []], [routerFor([network])]))
    assert.ok(await eventually(() => outside.pings('172.24.4.1')))
    assert.ok(await eventually(() => guest.pings('10.0.0.1')))
    const fetched = await guest.run(
      'busybox',
      'timeout',
      '5',
      'busybox',
      'wget',
      '-q',
      '-O',
      '-',
      'http://169.254.169.254/',
    )
    assert.equal(fetched.stdout, 'hello 10.0.0.61\n')
    assert.deepEqual(rig.asked.at(-1), { url: '/', from: '10.0.0.61', network: network.id })
  })

  test('an agent that is killed and started again finds everything as it left it', async () => {
    const [one, two] = rig.hosts
    const network = tenantNetwork()
    const external = externalNetwork()
    const [a, b] = [portIn(network, 71), portIn(network, 72)]
    const guestA = await rig.guest(one, a)
    const guestB = await rig.guest(two, b)
    const router = routerFor([network], external, 170)
    const wishes = documents([network, external], [[a], [b]], [router])
    await apply(wishes)
    const connection = await connect(guestB, guestA, '10.0.0.71', 70)
    assert.ok(await connection.says())
    const look = async (): Promise<unknown> => ({
      links: (await run('ip', ['-n', one.plane, '-o', 'link'])).stdout.match(/^\d+: [^:]+/gm),
      dhcp: (await run('ip', ['-n', dhcpNamespace(one.plane, network.id), '-o', 'addr'])).stdout,
      router: (await run('ip', ['-n', routerNamespace(one.plane, router.id), '-o', 'addr'])).stdout,
      forwarding: (await run('bridge', ['-n', one.plane, 'fdb', 'show', 'dynamic'])).stdout.split('\n').length >= 0,
      services: await dnsmasqPids(one.plane),
      proxy: (await run('cat', [`/run/pileus/${one.plane}/proxy/pid`])).stdout,
    })
    const before = await look()
    await one.restart()
    await apply(wishes)
    assert.deepEqual(await look(), before)
    assert.ok(await connection.says(), 'an open connection goes on')
    // A rule that went while the agent was away is cut all the same.
    await one.restart()
    await apply(documents([network, external], [[{ ...a, rules: [openRule('egress')] }], [b]], [router]))
    assert.equal(await connection.says(500), false)
  })

  test('what the kernel has lost is made again, and what nobody wishes for goes', async () => {
    const [one] = rig.hosts
    const network = tenantNetwork()
    const port = portIn(network, 81)
    const guest = await rig.guest(one, port)
    await apply(documents([network], [[port], []]))
    assert.ok(await eventually(() => guest.pings('10.0.0.2')))
    await run('ip', ['netns', 'del', dhcpNamespace(one.plane, network.id)])
    await apply(documents([network], [[port], []]))
    assert.ok(await eventually(() => guest.pings('10.0.0.2')))
    await guest.run('ip', 'route', 'add', '169.254.169.254/32', 'via', '10.0.0.2')
    const fetched = await guest.run(
      'busybox',
      'timeout',
      '5',
      'busybox',
      'wget',
      '-q',
      '-O',
      '-',
      'http://169.254.169.254/',
    )
    assert.equal(fetched.stdout, 'hello 10.0.0.81\n')

    await apply([nothing, nothing])
    assert.deepEqual([...(await readLinks(one.plane)).keys()], ['lo'])
    const left = [...(await listNamespaces())].filter((name) => name.startsWith(`${one.plane}-`))
    assert.deepEqual(left, [])
  })

  test('a port has a tap for QEMU’s user, with the MTU of its network', async () => {
    const [one] = rig.hosts
    const network = tenantNetwork()
    const port = portIn(network, 86)
    await apply(documents([network], [[port], []]))
    const { stdout } = await run('ip', ['-n', one.plane, '-d', '-j', 'link', 'show', tapName(port.id)])
    const [tap] = JSON.parse(stdout) as [{ mtu: number; master: string; linkinfo: { info_data: unknown } }]
    assert.equal(tap.mtu, 1400)
    assert.equal(tap.master, bridgeName(network.id))
    assert.partialDeepStrictEqual(tap.linkinfo.info_data, { type: 'tap', persist: true, user: 'nobody' })
    const traits = await probeNetwork()
    assert.ok(traits.includes('CUSTOM_PILEUS_VXLAN') && traits.includes('CUSTOM_PILEUS_NFT'), traits.join(' '))
  })

  test('a network that cannot be had here is told, and keeps down no other', async () => {
    const [one] = rig.hosts
    const good = tenantNetwork()
    const bad = { ...externalNetwork(), physical: 'nowhere' }
    const [a, b] = [portIn(good, 91), portIn(bad, 92)]
    const state = await one.apply(documents([good, bad], [[a, b], []])[0])
    assert.equal(state.ready, false)
    assert.deepEqual(state.ports, [a.id])
    assert.equal(state.error, 'This host has no physical network "nowhere".')
  })
})

async function dnsmasqPids(plane: string): Promise<string> {
  return (await run('sh', ['-c', `cat /run/pileus/${plane}/*-*/pid`])).stdout
}

/** What busybox's client was given: its script's variables. */
async function askDhcp(guest: Guest): Promise<Record<string, string>> {
  const script = `/run/pileus/dhcp-${guest.port.id}`
  await writeFile(script, '#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n')
  await chmod(script, 0o755)
  try {
    const wanted = ['-O', 'mtu', '-O', 'tftp', '-O', 'staticroutes', '-O', 'hostname', '-O', 'domain']
    const { stdout } = await guest.run('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-s', script, ...wanted)
    const pairs = stdout
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
    return Object.fromEntries(pairs) as Record<string, string>
  } finally {
    await run('rm', ['-f', script])
  }
}

/** With the IPv6 address that the guest will make itself from a router's advertisement. */
function autoconfigured(port: PortSpec, prefix: string): PortSpec {
  const addresses = port.addresses.map((one) =>
    one.address.includes(':') ? { ...one, address: linkLocal(port.mac).replace('fe80::', prefix) } : one,
  )
  return { ...port, addresses }
}

const showPeer = `require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress)
  process.exit()
}).listen(7777, '172.24.4.1', () => console.log('listening'))`

/** The source address that the world outside sees of a guest. */
async function peerSeen(rig: Rig, guest: Guest): Promise<string> {
  const inside = [`--net=${namespacePath(rig.hosts[0].namespace)}`, process.execPath, '-e', showPeer]
  const server = spawn('nsenter', inside)
  try {
    const output = on(server.stdout, 'data', { signal: AbortSignal.timeout(10_000) })
    await output.next()
    const client = guest.start('busybox', 'nc', '172.24.4.1', '7777')
    const { value } = (await output.next()) as { value: [Buffer] }
    client.kill()
    return value[0].toString().trim()
  } finally {
    server.kill('SIGKILL')
  }
}
