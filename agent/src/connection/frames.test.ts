import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadFrame, parseFrame } from './frames.ts'

const refused = (frame: unknown, why: RegExp) =>
  assert.throws(
    () => parseFrame(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    (error) => error instanceof BadFrame && why.test(error.message),
  )

test('good frames pass', () => {
  assert.equal(parseFrame('{"type":"challenge","nonce":"n"}').type, 'challenge')
  assert.equal(parseFrame('{"type":"desired","complete":true,"objects":[]}').type, 'desired')
  const gone = { kind: 'machine', id: 'm', generation: 2, spec: null }
  assert.equal(parseFrame(JSON.stringify({ type: 'desired', complete: false, objects: [gone] })).type, 'desired')
  assert.equal(parseFrame('{"type":"call","id":1,"method":"x","params":{}}').type, 'call')
})

test('a bad frame is refused with what is wrong', () => {
  refused('{', /not JSON/)
  refused('null', /no frame of type/)
  refused([1], /no frame of type/)
  refused({ type: 'format-disk' }, /no frame of type "format-disk"/)
  refused({ type: 'challenge' }, /nonce/)
  refused({ type: 'desired', complete: 'yes', objects: [] }, /complete/)
  refused({ type: 'desired', complete: true, objects: [{ kind: 'machine', id: 'm', generation: 1 }] }, /objects\/0/)
  refused({ type: 'call', id: 1.5, method: 'x', params: null }, /id/)
  assert.throws(() => parseFrame(new ArrayBuffer(3)), /not text/)
})
