import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Nic, nicArguments } from './command-line.ts'
import { argsWithout } from './plug.ts'

test('taking a NIC out of the command line leaves everything else', () => {
  const nic = (slot: number): Nic => ({
    portId: `p${slot}`,
    mac: 'fa:16:3e:00:00:01',
    mtu: 1450,
    tap: `tap${slot}`,
    slot,
  })
  const args = ['-nodefaults', ...nicArguments(nic(0)), ...nicArguments(nic(1)), '-device', 'VGA,id=vga0']
  assert.deepEqual(argsWithout(args, nic(0)), ['-nodefaults', ...nicArguments(nic(1)), '-device', 'VGA,id=vga0'])
  assert.deepEqual(argsWithout(argsWithout(args, nic(0)), nic(1)), ['-nodefaults', '-device', 'VGA,id=vga0'])
})
