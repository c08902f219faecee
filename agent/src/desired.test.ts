import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { DesiredObject } from '@pileus/contract/agent.ts'
import { pino } from 'pino'
import { loadWishes } from './desired.ts'

const log = pino({ level: 'silent' })
const gone = (id: string, generation: number): DesiredObject => ({ kind: 'machine', id, generation, spec: null })
const network = (generation: number): DesiredObject => ({
  kind: 'network',
  id: 'host',
  generation,
  spec: { networks: [], ports: [], routers: [], groups: {} },
})

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pileus-wishes-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('only the newest generation counts, whatever the order of arrival', async (t) => {
  const wishes = await loadWishes(await folder(t), log)
  const take = (objects: DesiredObject[], complete = false) => wishes.take({ type: 'desired', complete, objects })
  assert.deepEqual(await take([gone('a', 3), gone('b', 1)]), { machines: ['a', 'b'], network: false })
  assert.deepEqual(await take([gone('a', 2), gone('b', 2), gone('b', 2)]), { machines: ['b'], network: false })
  assert.equal(wishes.machine('a')?.generation, 3)
  assert.deepEqual(await take([network(1)]), { machines: [], network: true })
})

test('a complete document drops what is not in it, but never the network', async (t) => {
  const dataDir = await folder(t)
  const wishes = await loadWishes(dataDir, log)
  await wishes.take({ type: 'desired', complete: true, objects: [gone('a', 1), gone('b', 1), network(4)] })
  const changed = await wishes.take({ type: 'desired', complete: true, objects: [gone('b', 1)] })
  assert.deepEqual(changed.machines, ['a'])
  const again = await loadWishes(dataDir, log) // from disk
  assert.deepEqual([again.machineIds(), again.network()?.generation], [['b'], 4])
})

test('an id that is a path is refused', async (t) => {
  const wishes = await loadWishes(await folder(t), log)
  await wishes.take({ type: 'desired', complete: false, objects: [gone('../../etc', 1), gone('..', 1)] })
  assert.deepEqual(wishes.machineIds(), [])
})

for (const text of ['{"objects":[{"kind":"machine","id":"a","generation":1,"spec":{"vcpus":1}}]}', '{"obj']) {
  test(`wishes that cannot be read (${text.length} bytes) are put aside, and the server is waited for`, async (t) => {
    const dataDir = await folder(t)
    await writeFile(join(dataDir, 'desired.json'), text)
    const wishes = await loadWishes(dataDir, log)
    assert.deepEqual([wishes.machineIds(), wishes.network()], [[], undefined])
    assert.equal(await readFile(join(dataDir, 'desired.json.unreadable'), 'utf8'), text)
    await wishes.take({ type: 'desired', complete: true, objects: [gone('a', 1)] })
    assert.deepEqual((await loadWishes(dataDir, log)).machineIds(), ['a'])
  })
}
