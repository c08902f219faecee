// What every cloud owes to compute and network, as tests. A cloud hands over a rig: itself, and a hand on its data plane.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hostPromises } from './conformance-hosts.ts'
import { lifePromises } from './conformance-life.ts'
import { type Promising, readiness, type Rig, type Scope } from './conformance-rig.ts'

/** Registers the tests under the cloud's name. They share one rig, so each one speaks of its own machines only. */
export function conformance(cloud: string, makeRig: (scope: Scope) => Promise<Rig>): void {
  void describe(cloud, () => {
    const ends: (() => unknown)[] = []
    let shared: Rig | undefined
    before(async () => {
      // of a hook's function only the promise counts: the callback of `after` is ours to call
      const scope: Scope = { after: (end) => void (end && ends.push(end as () => unknown)) }
      shared = await makeRig(scope)
    })
    after(async () => {
      for (const end of ends) await end()
    })
    const promise: Promising = (sentence, hold) => {
      void test(sentence, { timeout: 60_000 }, async (t) => {
        const rig = shared ?? assert.fail('there is no cloud to test')
        await hold(rig, readiness(t, rig), t)
      })
    }
    lifePromises(promise)
    hostPromises(promise)
  })
}
