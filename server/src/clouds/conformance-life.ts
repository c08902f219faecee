// What every cloud owes to compute for the life of a machine: made, changed, restarted, ended, removed.
import assert from 'node:assert/strict'
import { Fault } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { type Promising, rejectsWith, signal, there } from './conformance-rig.ts'
import { machineSpec } from './testing.ts'

export function lifePromises(promise: Promising): void {
  promise('makes a machine once, however often it is asked to', async (rig, ready) => {
    const spec = machineSpec()
    assert.deepEqual(await ready(rig.hosts[0], spec), {
      power: 'running',
      ready: true,
      restartSerial: 0,
      doing: '',
      error: null,
    })
    const first = await rig.incarnation(spec.id)
    for (let i = 0; i < 3; i++)
      assert.equal((await rig.drivers.compute.ensureMachine(rig.hosts[0], spec, signal)).ready, true)
    assert.deepEqual(
      [(await rig.machines()).filter((id) => id === spec.id), await rig.incarnation(spec.id)],
      [[spec.id], first],
    )
  })

  promise('makes many machines that are asked for at once', async (rig, ready) => {
    const specs = Array.from({ length: 20 }, () => machineSpec())
    await Promise.all(specs.map((spec, i) => ready(rig.hosts[i % 2]!, spec)))
    assert.equal((await there(rig, ...specs)).length, specs.length)
  })

  promise('changes the power of a machine', async (rig, ready) => {
    const spec = machineSpec()
    for (const power of ['running', 'paused', 'running', 'suspended', 'running', 'shutdown', 'running'] as const)
      assert.equal((await ready(rig.hosts[0], { ...spec, power })).power, power)
  })

  promise('restarts when the serial was raised, and then not again', async (rig, ready) => {
    const spec = machineSpec()
    await ready(rig.hosts[0], spec)
    const before = await rig.incarnation(spec.id)
    const restarted = { ...spec, restart: { serial: 1, hard: true } }
    assert.equal((await ready(rig.hosts[0], restarted)).restartSerial, 1)
    const after = await rig.incarnation(spec.id)
    assert.notEqual(after, before)
    await ready(rig.hosts[0], restarted)
    assert.equal(await rig.incarnation(spec.id), after)
  })

  promise('is not ready before the machine is, and says so when it is', async (rig, ready) => {
    const [slow, quick] = [machineSpec(), machineSpec()]
    await rig.hold(slow.id, true)
    const status = await rig.drivers.compute.ensureMachine(rig.hosts[0], slow, signal)
    assert.equal(status.ready, false)
    assert.notEqual(status.doing, '')
    await ready(rig.hosts[0], quick)
    const [readySlow] = await Promise.all([ready(rig.hosts[0], slow), rig.hold(slow.id, false)])
    assert.equal(readySlow.power, 'running')
  })

  promise('knows no machine that never was', async (rig) => {
    assert.equal(await rig.drivers.compute.ensureNoMachine(newId(), null, signal), 'gone')
    assert.equal(await rig.drivers.compute.ensureNoMachine(newId(), rig.hosts[0], signal), 'gone')
    await rejectsWith('notFound', rig.drivers.compute.consoleOutput(newId(), rig.hosts[0], null))
    await rejectsWith('notFound', rig.drivers.compute.diagnostics(newId(), rig.hosts[0]))
  })

  promise('leaves nothing of a machine that was removed', async (rig, ready) => {
    const [kept, removed] = [machineSpec(), machineSpec()]
    await ready(rig.hosts[0], kept)
    await ready(rig.hosts[0], removed)
    await ready.gone(removed.id, rig.hosts[0])
    assert.deepEqual(await there(rig, kept, removed), [kept.id])
    await ready.gone(kept.id, null) // by whoever forgot where it was
    assert.deepEqual(await there(rig, kept, removed), [])
    assert.equal(await rig.drivers.compute.ensureNoMachine(kept.id, rig.hosts[0], signal), 'gone')
  })

  promise('lists the machines that are wished for, old ones alone when asked', async (rig, ready) => {
    const { compute } = rig.drivers
    const [kept, removed] = [machineSpec(), machineSpec()]
    await ready(rig.hosts[0], kept)
    await ready(rig.hosts[1], removed)
    await ready.gone(removed.id, rig.hosts[1])
    const listed = await compute.listMachines(0)
    assert.deepEqual([listed.includes(kept.id), listed.includes(removed.id)], [true, false])
    assert.ok(!(await compute.listMachines(3_600_000)).includes(kept.id))
  })

  promise('makes a machine anew after it was removed', async (rig, ready) => {
    const spec = machineSpec()
    await ready(rig.hosts[0], spec)
    await ready.gone(spec.id, rig.hosts[0])
    await ready(rig.hosts[0], spec)
    assert.deepEqual(await there(rig, spec), [spec.id])
  })

  promise('removes a machine that never got ready', async (rig, ready) => {
    const spec = machineSpec()
    await rig.hold(spec.id, true)
    await rig.drivers.compute.ensureMachine(rig.hosts[0], spec, signal)
    await ready.gone(spec.id, rig.hosts[0])
    assert.deepEqual(await there(rig, spec), [])
  })

  for (const power of ['shutdown', 'crashed'] as const) {
    promise(`tells of a guest that ended by itself (${power}), and starts it again when asked`, async (rig, ready) => {
      const spec = machineSpec()
      await ready(rig.hosts[0], spec)
      const before = await rig.incarnation(spec.id)
      await rig.guestEnds(spec.id, power)
      await rig.reports.until('the machine to be seen', () =>
        rig.reports.machines.some(({ id, status }) => id === spec.id && status.power === power),
      )
      assert.equal((await ready(rig.hosts[0], spec)).power, 'running')
      assert.notEqual(await rig.incarnation(spec.id), before)
    })
  }

  promise('says why a machine cannot be started, and tries again when asked again', async (rig, ready) => {
    const spec = machineSpec()
    const sentence = 'The image is not bootable.'
    await rig.refuse(spec.id, sentence)
    await assert.rejects(ready(rig.hosts[0], spec), (error) => error instanceof Fault && error.message === sentence)
    await rig.refuse(spec.id, null)
    assert.equal((await ready(rig.hosts[0], spec)).power, 'running')
  })
}
