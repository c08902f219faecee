import type { TestContext } from 'node:test'
import { conformance } from '../conformance.ts'
import type { Rig } from '../conformance-rig.ts'
import { kvmWorld } from './rig.testing.ts'

/** `apart`: the agents are connected to another server process than the one that is asked. */
async function kvmRig(t: Pick<TestContext, 'after'>, apart: boolean): Promise<Rig> {
  const made = await kvmWorld(t)
  const { reports, script, world } = made
  const at = apart ? await made.secondProcess() : made.process
  const agents = [await made.host('h1', at), await made.host('h2', at)]
  for (const agent of agents) await agent.connect()
  await reports.until('both hosts', () => reports.hosts.size === 2)
  const agentOf = (host: string) => agents.find(({ name }) => name === host)!
  const holderOf = (id: string) => agents.find(({ machines }) => machines.has(id))!
  return {
    world,
    drivers: made.process.cloud.drivers,
    reports,
    hosts: ['h1', 'h2'],
    async hostAway(host, away) {
      const agent = agentOf(host)
      if (!away) return agent.connect()
      await agent.disconnect()
      await made.untilAway(agent.hostId)
    },
    guestEnds: async (id, power) => holderOf(id).guestEnds(id, power),
    async hold(id, held) {
      if (held) script.held.add(id)
      else script.held.delete(id)
      for (const agent of agents) agent.look(id)
    },
    async refuse(id, sentence) {
      if (sentence === null) script.refused.delete(id)
      else script.refused.set(id, sentence)
    },
    machines: async () => agents.flatMap(({ machines }) => [...machines.keys()]),
    incarnation: async (id) => String(holderOf(id).machines.get(id)?.incarnation),
  }
}

conformance('kvm', (t) => kvmRig(t, false))
conformance('kvm with the agents at another process', (t) => kvmRig(t, true))
