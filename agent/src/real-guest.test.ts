import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HostNetwork, MachineDiagnostics, MachineSpec } from '@pileus/contract/agent.ts'
import { testHost, tinySpec, whyNoGuests } from './real-guest.testing.ts'

const id = '5f0c9f0e-8a44-4c52-9a1b-6a1e6a7b3c01'
const mac = 'fa:16:3e:00:00:05'
const secondMac = 'fa:16:3e:00:00:06'
const network: HostNetwork = {
  networks: [
    {
      id: 'net1',
      kind: 'vxlan',
      segment: 4201,
      physical: '',
      mtu: 1450,
      dhcpMac: 'fa:16:3e:00:00:02',
      domain: 'example.org',
      subnets: [
        {
          id: 'subnet1',
          version: 4,
          cidr: '10.9.0.0/24',
          gateway: null,
          dhcp: true,
          dhcpAddress: '10.9.0.2',
          raMode: null,
          addressMode: null,
          dns: [],
          routes: [],
        },
      ],
      remote: [],
    },
  ],
  ports: [
    {
      id: 'port1',
      networkId: 'net1',
      machineId: id,
      mac,
      hostname: 'web',
      up: true,
      addresses: [{ subnetId: 'subnet1', address: '10.9.0.5' }],
      allowedPairs: [],
      secured: true,
      rules: [
        {
          direction: 'egress',
          version: 4,
          protocol: null,
          portMin: null,
          portMax: null,
          remoteCidr: null,
          remoteGroup: null,
        },
      ],
      dhcpOptions: [],
    },
  ],
  routers: [],
  groups: {},
}
const nics = [{ portId: 'port1', mac, mtu: 1450 }]

test("a guest's whole life", { skip: whyNoGuests(), timeout: 600_000 }, async (t) => {
  const host = await testHost(t)
  let spec: MachineSpec = tinySpec(id, host.image, { nics })
  const wish = (changes: Partial<MachineSpec>) => host.wish(id, (spec = { ...spec, ...changes }))
  // One guest lives through all of it: a step that fails ends the test.
  const step = async (what: string, prove: () => Promise<void>) => {
    t.diagnostic(what)
    await prove()
  }
  const ready = (power: string) => host.until(id, (status) => status.ready && status.power === power)

  await step('it waits for its port, then boots, gets its address and its user data', async () => {
    wish({})
    await host.until(id, ({ doing }) => doing === 'waiting for network')
    host.wishNetwork(network)
    await ready('running')
    const output = await host.console(id, 'user data ran on web')
    assert.match(output, /10\.9\.0\.5\/24/)
    assert.match(output, /metadata from openstack/i)
    assert.equal((await stat(join(host.dataDir, 'machines', id, 'disks', 'root.qcow2'))).uid, 60790)
  })

  await step('its counters can be read', async () => {
    const { value } = await host.ask('machine.diagnostics', { machineId: id })
    const { cpuTimesNs, disks, nics: counted, memoryMaximumMb } = value as MachineDiagnostics
    assert.equal(memoryMaximumMb, 128)
    assert.ok((cpuTimesNs[0] ?? 0) > 0)
    assert.ok(disks.length === 1 && (disks[0]?.readBytes ?? 0) > 1_000_000)
    assert.ok(counted[0]?.mac === mac && counted[0].rxBytes > 0 && counted[0].txBytes > 0)
  })

  await step('QEMU runs as nobody in particular and outlives the agent', async () => {
    const [pid] = await host.processes(id)
    assert.equal((await stat(`/proc/${pid}`)).uid, 60790)
    await host.killAndStart()
    await ready('running')
    assert.deepEqual(await host.processes(id), [pid])
  })

  await step('pause and go on', async () => {
    wish({ power: 'paused' })
    await ready('paused')
    wish({ power: 'running' })
    await ready('running')
  })

  await step('a second port is plugged into the running guest', async () => {
    const [port] = network.ports
    assert.ok(port !== undefined)
    const second = { ...port, id: 'port2', mac: secondMac, addresses: [{ subnetId: 'subnet1', address: '10.9.0.6' }] }
    wish({ nics: [...nics, { portId: 'port2', mac: secondMac, mtu: 1450 }] })
    await host.until(id, ({ doing }) => doing === 'waiting for network')
    host.wishNetwork({ ...network, ports: [port, second] })
    await ready('running')
    await host.console(id, '10.9.0.6/24')
  })

  await step('suspend to disk, lose the agent, and come back where it was', async () => {
    wish({ power: 'suspended' })
    await ready('suspended')
    assert.deepEqual(await host.processes(id), [])
    await host.killAndStart()
    await ready('suspended')
    wish({ power: 'running' })
    await ready('running')
    await assert.rejects(stat(join(host.dataDir, 'machines', id, 'memory')))
  })

  await step('the second port is taken out again', async () => {
    wish({ nics })
    await ready('running')
  })

  await step('a soft restart asks the guest, which has gone on since its suspension', async () => {
    wish({ restart: { serial: 1, hard: false } })
    await host.until(id, (status) => status.ready && status.restartSerial === 1)
    const output = await host.console(id, 'metadata from', 2)
    assert.match(output, /guest: stopping/)
  })

  await step('stop, then start with a config drive', async () => {
    wish({ power: 'shutdown', shutdownSeconds: 60 })
    await ready('shutdown')
    assert.deepEqual(await host.processes(id), [])
    wish({ power: 'running', configDrive: true })
    await ready('running')
    assert.match(await host.console(id, 'metadata from', 3), /metadata from config/)
  })

  await step('a QEMU that dies is a crash, and a hard restart mends it', async () => {
    const [pid] = await host.processes(id)
    assert.ok(pid !== undefined)
    process.kill(pid, 'SIGKILL')
    await host.until(id, ({ power, ready: isReady }) => power === 'crashed' && !isReady)
    wish({ restart: { serial: 2, hard: true } })
    await host.until(id, (status) => status.ready && status.restartSerial === 2)
    await host.console(id, 'metadata from', 4)
  })

  await step('a guest that shuts itself down stays off until the wish changes', async () => {
    wish({
      disks: spec.disks.map((disk) => ({ ...disk, serial: 1 })), // a rebuild: user data runs again
      metadata: { ...spec.metadata, userData: Buffer.from('#!/bin/sh\npoweroff\n').toString('base64') },
    })
    await host.until(id, ({ power, doing }) => power === 'shutdown' && /itself/.test(doing))
    assert.deepEqual(await host.processes(id), [])
    await host.killAndStart()
    await host.until(id, ({ power, doing }) => power === 'shutdown' && /itself/.test(doing))
  })

  await step('delete leaves nothing', async () => {
    wish({ power: 'running', restart: { serial: 3, hard: true } })
    await host.until(id, ({ power }) => power === 'running')
    host.wish(id, null)
    await host.until(id, ({ power, ready: isReady }) => power === 'absent' && isReady)
    assert.deepEqual(await host.processes(id), [])
    assert.deepEqual(await readdir(join(host.dataDir, 'machines')), [])
  })
})

test(
  'an agent that is killed amid each action finishes it later',
  { skip: whyNoGuests(), timeout: 600_000 },
  async (t) => {
    const host = await testHost(t)
    const small = 'm-killed'
    let spec = tinySpec(small, host.image)
    const wish = (changes: Partial<MachineSpec>) => host.wish(small, (spec = { ...spec, ...changes }))
    const ready = (power: string) => host.until(small, (status) => status.ready && status.power === power)
    // Where the kill falls within the action is chance; wherever it falls, the outcome is the same.
    const killed = async (action: string, change: () => void, afterMs: number) => {
      const done = host.killAt(action, afterMs)
      change()
      await done
    }
    let serial = 0
    for (const afterMs of [0, 5, 40]) {
      await killed(
        'prepare',
        () => wish({ power: 'running', disks: spec.disks.map((disk) => ({ ...disk, serial })) }),
        afterMs,
      )
      await ready('running')
      await killed('end', () => wish({ restart: { serial: ++serial, hard: true } }), afterMs)
      await host.until(small, (status) => status.ready && status.restartSerial === serial)
      await killed('start', () => wish({ restart: { serial: ++serial, hard: true } }), afterMs)
      await host.until(small, (status) => status.ready && status.restartSerial === serial)
      assert.equal((await host.processes(small)).length, 1)
      await killed('save', () => wish({ power: 'suspended' }), afterMs)
      await ready('suspended')
      assert.deepEqual(await host.processes(small), [])
      await killed('start', () => wish({ power: 'running' }), afterMs)
      await ready('running')
      await killed('end', () => wish({ power: 'shutdown', shutdownSeconds: 0 }), afterMs)
      await ready('shutdown')
    }
    host.wish(small, null)
    await host.until(small, ({ power, ready: isReady }) => power === 'absent' && isReady)
    assert.deepEqual(await readdir(join(host.dataDir, 'machines')), [])
  },
)

test(
  'a QEMU of a start that nobody could follow up is ended, and the machine starts',
  { skip: whyNoGuests(), timeout: 300_000 },
  async (t) => {
    const host = await testHost(t)
    const folder = join(host.dataDir, 'machines', 'm-mute')
    host.wish('m-mute', tinySpec('m-mute', host.image))
    await host.until('m-mute', ({ power, ready }) => power === 'running' && ready)
    const [pid] = await host.processes('m-mute')
    // As if the agent had died before it saw the guest run, and another start had taken the socket's place.
    await host.killAndStart(async () => {
      const state = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as Record<string, unknown>
      await writeFile(join(folder, 'state.json'), JSON.stringify({ ...state, started: false }))
      await rm(join(folder, 'run', 'qmp.sock'))
    })
    await host.until('m-mute', ({ power, ready }) => power === 'running' && ready)
    const after = await host.processes('m-mute')
    assert.ok(after.length === 1 && after[0] !== pid)
  },
)

test(
  'machines that come and go together do not disturb each other',
  { skip: whyNoGuests(), timeout: 300_000 },
  async (t) => {
    const host = await testHost(t)
    const ids = ['m1', 'm2', 'm3', 'm4']
    for (const each of ids) host.wish(each, tinySpec(each, host.image))
    host.wish('m1', null) // while the image is fetched
    await host.until('m2', ({ power }) => power === 'running')
    host.wish('m2', null)
    host.wish('m3', null)
    for (const each of ['m1', 'm2', 'm3']) await host.until(each, ({ power, ready }) => power === 'absent' && ready)
    await host.until('m4', ({ power, ready }) => power === 'running' && ready)
    assert.deepEqual(await readdir(join(host.dataDir, 'machines')), ['m4'])
    assert.deepEqual(host.server.downloads, ['tiny'])
    for (const each of ['m1', 'm2', 'm3']) assert.deepEqual(await host.processes(each), [])
    assert.equal((await host.processes('m4')).length, 1)
  },
)

test('boot by UEFI', { skip: whyNoGuests(), timeout: 300_000 }, async (t) => {
  const host = await testHost(t)
  host.wish('uefi', tinySpec('uefi', host.image, { firmware: 'uefi', memoryMb: 192, configDrive: true }))
  await host.until('uefi', ({ power, ready }) => power === 'running' && ready)
  await host.console('uefi', 'user data ran on web')
})

test('boot by kernel, with an ephemeral and a swap disk', { skip: whyNoGuests(), timeout: 300_000 }, async (t) => {
  const base = (process.env.PILEUS_GUEST_IMAGE ?? '').replace(/\.qcow2$/, '')
  if (!existsSync(`${base}.vmlinuz`)) return t.skip('no kernel lies beside the guest image')
  const host = await testHost(t)
  const kernel = host.serve('kernel', `${base}.vmlinuz`, 'raw')
  const ramdisk = host.serve('ramdisk', `${base}.initrd`, 'raw')
  const blank = { sizeMb: 64, image: null, serial: 0 }
  const spec = tinySpec('direct', host.image, {
    kernel,
    ramdisk,
    kernelArgs: 'root=LABEL=cloudimg-rootfs console=tty0 console=ttyS0 quiet net.ifnames=0 no_timer_check',
    configDrive: true,
  })
  const script = '#!/bin/sh\nmkdir /m\nmount /dev/vdb /m && echo "vdb is ext4"\nswapon /dev/vdc && echo "vdc is swap"\n'
  host.wish('direct', {
    ...spec,
    disks: [...spec.disks, { id: 'eph0', role: 'ephemeral', ...blank }, { id: 'swap', role: 'swap', ...blank }],
    metadata: { ...spec.metadata, userData: Buffer.from(script).toString('base64') },
  })
  await host.until('direct', ({ power, ready }) => power === 'running' && ready)
  await host.console('direct', 'vdb is ext4')
  await host.console('direct', 'vdc is swap')
})

test('what can never be is told in a sentence', { skip: whyNoGuests(), timeout: 120_000 }, async (t) => {
  const host = await testHost(t)
  const disk = { id: 'root', role: 'root' as const, sizeMb: 200, image: host.image, serial: 0 }
  host.wish('small', tinySpec('small', host.image, { disks: [{ ...disk, sizeMb: 10 }] }))
  const tooSmall = await host.until('small', ({ error }) => error !== null)
  assert.match(tooSmall.error ?? '', /needs a disk of 96 MB, and the flavor gives 10 MB/)
  const wrong = { ...host.image, imageId: 'tiny', sha512: '0'.repeat(128) }
  host.wish('forged', tinySpec('forged', host.image, { disks: [{ ...disk, image: wrong }] }))
  const forged = await host.until('forged', ({ error }) => error !== null)
  assert.match(forged.error ?? '', /checksum/)
  const lost = { ...host.image, imageId: 'lost' }
  host.wish('lost', tinySpec('lost', host.image, { disks: [{ ...disk, image: lost }] }))
  assert.match((await host.until('lost', ({ error }) => error !== null)).error ?? '', /no longer there/)
  assert.deepEqual(
    (await readdir(join(host.dataDir, 'images'))).filter((name) => !name.startsWith('tiny-')),
    [],
  )
})
