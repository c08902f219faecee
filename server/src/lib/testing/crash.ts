// The crash harness: every task killed at every step, every call to the outside failing, and nothing left in the end.
//
// A folder with tasks says in `crash.scenarios.ts` how each of their steps comes to be run, and `crash.test.ts` beside it
// runs them. The house test holds the two lists together: what is declared here against what tasks there are.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Task } from '#lib/task.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'

export interface CrashScenario {
  /** A sentence: 'a server is made'. */
  name: string
  /** The steps that it goes through, each as '<kind>/<step>': no more and no fewer. */
  steps: readonly string[]
  /** Makes the tasks begin; runs in a fresh cloud each time. */
  begin(cloud: TestCloud): Promise<void>
  /** What must hold when all tasks have come to their end. */
  check(cloud: TestCloud): Promise<void>
  /** Removes everything; after it `empty` must hold. */
  remove(cloud: TestCloud): Promise<void>
  empty(cloud: TestCloud): Promise<void>
  /** Makes the n-th outside call fail once; returns false when there are fewer calls. */
  failCall?(cloud: TestCloud, n: number): boolean
}

type Crash = (task: Task, step: string) => 'before' | 'after' | undefined

/** A test for each scenario. */
export function crashTests(scenarios: readonly CrashScenario[]): void {
  for (const scenario of scenarios)
    test(`${scenario.name}, whatever dies on the way`, (t) => crashAfterEveryStep(t, scenario))
}

/**
 * Runs the scenario again and again: killed before each step's commit, killed after it (so each step runs twice, or is
 * entered anew), each outside call failing once; then removes all and expects an empty world.
 */
async function crashAfterEveryStep(t: TestContext, scenario: CrashScenario): Promise<void> {
  const seen: string[] = []
  await t.test('undisturbed', async (sub) => {
    await live(await testCloud(sub), scenario, (task, step) => {
      if (!seen.includes(`${task.kind}/${step}`)) seen.push(`${task.kind}/${step}`)
      return undefined
    })
    assert.deepEqual(seen.toSorted(), scenario.steps.toSorted(), 'the steps that the scenario declares')
  })
  for (const at of seen) {
    for (const when of ['before', 'after'] as const) {
      await t.test(`killed ${when} the commit of ${at}`, async (sub) => {
        const done = new Set<string>()
        await live(await testCloud(sub), scenario, (task, step) => {
          if (`${task.kind}/${step}` !== at || done.has(task.id)) return undefined
          done.add(task.id)
          return when
        })
      })
    }
  }
  if (!scenario.failCall) return
  for (let n = 0; n < 50; n++) {
    let more = true
    await t.test(`outside call ${n} fails once`, async (sub) => {
      const cloud = await testCloud(sub)
      more = scenario.failCall!(cloud, n)
      if (more) await live(cloud, scenario)
    })
    if (!more) break
  }
}

async function live(cloud: TestCloud, scenario: CrashScenario, crash?: Crash): Promise<void> {
  await scenario.begin(cloud)
  await cloud.runTasks(crash && { crash })
  await scenario.check(cloud)
  await scenario.remove(cloud)
  await cloud.runTasks()
  await scenario.empty(cloud)
}
