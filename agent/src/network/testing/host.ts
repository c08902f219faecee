// A data plane in a process of its own, so that a test can put it into a network namespace and kill it.
// Arguments: the options of `networkPlane` as JSON. Talks over Node's IPC channel: {id, call, wish} → {id, value}.
import type { HostNetwork } from '@pileus/contract/agent.ts'
import pino from 'pino'
import { type NetworkOptions, networkPlane } from '../index.ts'

export interface HostRequest {
  id: number
  call: 'apply' | 'teardown'
  wish: HostNetwork
}

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<NetworkOptions, 'log'>
const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' }, pino.destination(2))
const plane = networkPlane({ ...options, log })

process.on('message', (request: HostRequest) => {
  const work = request.call === 'apply' ? plane.apply(request.wish) : plane.teardown()
  void work.then((value) => process.send?.({ id: request.id, value: value ?? null }))
})
process.on('disconnect', () => process.exit(0))
