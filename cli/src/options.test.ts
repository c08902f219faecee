import assert from 'node:assert/strict'
import test from 'node:test'
import { formatListen, parseCount, parseListen, readFlags } from './options.ts'
import { Trouble } from './trouble.ts'

const isUsageTrouble = (error: unknown) => error instanceof Trouble && error.exitCode === 2

test('an address to listen on is a host and a port, IPv6 in brackets', () => {
  assert.deepEqual(parseListen('127.0.0.1:8700'), { host: '127.0.0.1', port: 8700 })
  assert.deepEqual(parseListen('localhost:1'), { host: 'localhost', port: 1 })
  assert.deepEqual(parseListen('[::1]:8700'), { host: '::1', port: 8700 })
  assert.equal(formatListen(parseListen('[::1]:8700')), '[::1]:8700')
  assert.equal(formatListen(parseListen('0.0.0.0:80')), '0.0.0.0:80')
})

test('other addresses are refused as a mistake on the command line', () => {
  for (const text of ['', '8700', ':8700', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '::1:8700', '[x]:1', 'a:b'])
    assert.throws(() => parseListen(text), isUsageTrouble, text)
})

test('a count is a whole number that is large enough', () => {
  assert.equal(parseCount('--sim', '10', 1), 10)
  for (const text of ['', '0', '-1', '1.5', '1e3', 'x', '99999999999'])
    assert.throws(() => parseCount('--sim', text, 1), isUsageTrouble, text)
})

test('unknown flags, missing values and arguments too many or too few are refused', () => {
  const flags = { data: { type: 'string' } } as const
  assert.equal(readFlags('up', ['--data', 'x'], flags).values.data, 'x')
  for (const args of [['--frob'], ['--data'], ['extra']])
    assert.throws(() => readFlags('up', args, flags), isUsageTrouble, args.join(' '))
  assert.throws(() => readFlags('task', [], flags, { minimum: 1, maximum: 2 }), isUsageTrouble)
})
