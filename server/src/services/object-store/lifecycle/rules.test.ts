import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Candidate, dueAt, expiryOf, type LifecycleRule, verdictOnCurrent, verdictOnOlder } from './rules.ts'

const object = (change: Partial<Candidate> = {}): Candidate => ({
  name: 'logs/a',
  size: 100,
  tags: null,
  since: new Date('2026-01-10T15:30:00Z'),
  storageClass: 'STANDARD',
  ...change,
})
const rule = (change: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', enabled: true, filter: {}, ...change })
const at = (text: string) => new Date(text)

test('days are whole ones: the first midnight at least so many days later', () => {
  assert.deepEqual(dueAt(at('2026-01-10T15:30:00Z'), { days: 1 }), at('2026-01-12T00:00:00Z'))
  assert.deepEqual(dueAt(at('2026-01-10T00:00:00Z'), { days: 1 }), at('2026-01-11T00:00:00Z'))
  assert.deepEqual(dueAt(at('2026-01-10T15:30:00Z'), { at: '2026-05-01T00:00:00Z' }), at('2026-05-01T00:00:00Z'))
})

test('an object goes when its time has come, by the rules that mean it', () => {
  const rules = [
    rule({ expire: { days: 3 }, filter: { prefix: 'logs/', tags: { keep: 'no' }, largerThan: 99, smallerThan: 101 } }),
  ]
  const tagged = object({ tags: { keep: 'no', more: 'x' } })
  assert.equal(verdictOnCurrent(rules, tagged, at('2026-01-13T23:59:59Z')), undefined)
  assert.deepEqual(verdictOnCurrent(rules, tagged, at('2026-01-14T00:00:00Z')), { kind: 'expire', rule: 'r' })
  const late = at('2027-01-01T00:00:00Z')
  for (const other of [{ name: 'x' }, { tags: { keep: 'yes' } }, { tags: null }, { size: 99 }, { size: 101 }])
    assert.equal(verdictOnCurrent(rules, { ...tagged, ...other }, late), undefined, JSON.stringify(other))
  assert.equal(verdictOnCurrent([{ ...rules[0]!, enabled: false }], tagged, late), undefined)
  assert.deepEqual(expiryOf(rules, tagged), { at: at('2026-01-14T00:00:00Z'), rule: 'r' })
})

test('an object moves to the class that is due last, once, and not when it goes anyway', () => {
  const transitions = [
    { when: { days: 1 }, storageClass: 'COOL' },
    { when: { days: 10 }, storageClass: 'COLD' },
  ]
  const rules = [rule({ transitions })]
  const cool = { kind: 'transition', storageClass: 'COOL', rule: 'r' }
  assert.deepEqual(verdictOnCurrent(rules, object(), at('2026-01-13T00:00:00Z')), cool)
  assert.equal(verdictOnCurrent(rules, object({ storageClass: 'COOL' }), at('2026-01-13T00:00:00Z')), undefined)
  assert.deepEqual(verdictOnCurrent(rules, object({ storageClass: 'COOL' }), at('2026-03-01T00:00:00Z')), {
    ...cool,
    storageClass: 'COLD',
  })
  const both = [...rules, rule({ id: 'gone', expire: { days: 20 } })]
  assert.deepEqual(verdictOnCurrent(both, object(), at('2026-03-01T00:00:00Z')), { kind: 'expire', rule: 'gone' })
})

test('of older versions the newest may be kept, whatever their age', () => {
  const rules = [rule({ expireOlder: { days: 1, keepNewest: 2 } })]
  const late = at('2027-01-01T00:00:00Z')
  assert.equal(verdictOnOlder(rules, object({ newerOlder: 1 }), late), undefined)
  assert.deepEqual(verdictOnOlder(rules, object({ newerOlder: 2 }), late), { kind: 'expire', rule: 'r' })
  assert.equal(verdictOnOlder(rules, object({ newerOlder: 2 }), at('2026-01-11T00:00:00Z')), undefined)
})
