import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readQcow2Header } from './qcow2.ts'

/** A sound header of version 3, 64 MiB. */
function header(change: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(112)
  bytes.write('QFI\xfb', 'latin1')
  bytes.writeUInt32BE(3, 4)
  bytes.writeBigUInt64BE(64n << 20n, 24)
  change(bytes)
  return bytes
}
const refused = (why: RegExp, change: (bytes: Buffer) => void) =>
  assert.throws(() => readQcow2Header(header(change)), why)

test('a sound header gives the size', () => {
  assert.deepEqual(readQcow2Header(header()), { virtualBytes: 64 * 1024 * 1024 })
  assert.deepEqual(readQcow2Header(header((bytes) => bytes.writeUInt32BE(2, 4))), { virtualBytes: 64 * 1024 * 1024 })
  const compressedWithZstd = header((bytes) => bytes.writeBigUInt64BE(8n, 72))
  assert.deepEqual(readQcow2Header(compressedWithZstd), { virtualBytes: 64 * 1024 * 1024 })
})

test('what reaches beyond the file is refused', () => {
  refused(/backing file/, (bytes) => bytes.writeBigUInt64BE(512n, 8))
  refused(/another file/, (bytes) => bytes.writeBigUInt64BE(4n, 72))
  refused(/encrypted/, (bytes) => bytes.writeUInt32BE(2, 32))
  refused(/not supported/, (bytes) => bytes.writeBigUInt64BE(1n << 40n, 72))
  refused(/corrupt/, (bytes) => bytes.writeBigUInt64BE(2n, 72))
  refused(/version 9/, (bytes) => bytes.writeUInt32BE(9, 4))
  refused(/size/, (bytes) => bytes.writeBigUInt64BE(0n, 24))
  refused(/is not/, (bytes) => bytes.write('MZ'))
  assert.throws(() => readQcow2Header(Buffer.alloc(10)), /is not/)
  assert.throws(() => readQcow2Header(header().subarray(0, 80)), /ends within/)
})
