// What every cloud owes to compute and network for its hosts: what they are, which machines they may have, what happens
// while one is away, what they tell of their machines and ports.
import assert from 'node:assert/strict'
import { type Promising, rejectsWith, signal, there } from './conformance-rig.ts'
import { machineSpec, networkSpec, portSpec } from './testing.ts'

export function hostPromises(promise: Promising): void {
  promise('announces its hosts with what they have', async ({ reports, hosts }) => {
    for (const host of hosts) {
      const facts = reports.hosts.get(host)
      assert.ok(facts && facts.vcpus > 0 && facts.memoryMb > 0 && facts.diskGb > 0)
    }
  })

  promise('waits for a host that is away, and says for which', async (rig, ready) => {
    const [away, there] = rig.hosts
    await rig.hostAway(away, true)
    const spec = machineSpec()
    const status = await rig.drivers.compute.ensureMachine(away, spec, signal)
    assert.equal(status.ready, false)
    assert.ok(status.doing.includes(away), status.doing)
    await ready(there, machineSpec())
    await Promise.all([ready(away, spec), rig.hostAway(away, false)])
  })

  promise('keeps the wish to remove while the host is away', async (rig, ready) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    await rig.hostAway(host, true)
    assert.equal(await rig.drivers.compute.ensureNoMachine(spec.id, host, signal), 'working')
    await Promise.all([ready.gone(spec.id, host), rig.hostAway(host, false)])
    assert.deepEqual(await there(rig, spec), [])
  })

  promise('refuses a host that it does not have', async (rig) => {
    await rejectsWith('unavailable', rig.drivers.compute.ensureMachine('nowhere', machineSpec(), signal))
  })

  promise('keeps a machine on one host', async (rig, ready) => {
    const [first, second] = rig.hosts
    const spec = machineSpec()
    await ready(first, spec)
    await rejectsWith('conflict', rig.drivers.compute.ensureMachine(second, spec, signal))
    await ready.gone(spec.id, first)
    await ready(second, spec)
    assert.deepEqual(await there(rig, spec), [spec.id])
  })

  promise('tells which ports are wired', async (rig, ready) => {
    const { reports, hosts } = rig
    const spec = machineSpec()
    const port = portSpec(spec.id)
    reports.networks.set(hosts[0], { networks: [networkSpec()], ports: [port], routers: [], groups: {} })
    rig.drivers.network.hostsChanged([hosts[0]])
    await ready(hosts[0], { ...spec, nics: [{ portId: port.id, mac: port.mac, mtu: 1450 }] })
    await reports.until('the port to be wired', () => reports.wired.get(hosts[0])?.includes(port.id) === true)
    reports.networks.delete(hosts[0])
    rig.drivers.network.hostsChanged([hosts[0]])
    await ready.gone(spec.id, hosts[0])
    await reports.until('the port to be gone', () => reports.wired.get(hosts[0])?.length === 0)
  })

  promise('shows the console, all of it or its end', async (rig, ready) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    const all = await rig.drivers.compute.consoleOutput(spec.id, host, null)
    assert.ok(all.split('\n').length > 10)
    assert.equal(await rig.drivers.compute.consoleOutput(spec.id, host, 3), all.split('\n').slice(-3).join('\n'))
  })

  promise('counts what a machine does', async (rig, ready) => {
    const spec = machineSpec({ vcpus: 2 })
    await ready(rig.hosts[0], spec)
    const { cpuTimesNs, disks } = await rig.drivers.compute.diagnostics(spec.id, rig.hosts[0])
    assert.deepEqual([cpuTimesNs.length, disks.length], [2, 1])
  })

  promise('cannot show the console of a host that is away', async (rig, ready, t) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    await rig.hostAway(host, true)
    t.after(() => rig.hostAway(host, false))
    await rejectsWith('unavailable', rig.drivers.compute.consoleOutput(spec.id, host, null))
    await rejectsWith('unavailable', rig.drivers.compute.diagnostics(spec.id, host))
  })

  promise('offers hosts for routers, with the networks they reach', async (rig, _ready, t) => {
    const [away, there] = rig.hosts
    const offered = async () => (await rig.drivers.network.routerHosts()).map(({ host }) => host)
    assert.ok((await offered()).includes(away) && (await offered()).includes(there))
    await rig.hostAway(away, true)
    t.after(() => rig.hostAway(away, false))
    assert.ok(!(await offered()).includes(away) && (await offered()).includes(there))
  })
}
