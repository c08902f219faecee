// A DHCPv6 client's first message (RFC 8415, 18.2.1), sent from inside a guest; prints the answer as JSON.
// Arguments: interface, MAC.
import { createSocket } from 'node:dgram'
import { canonical } from '../address.ts'

const [link = '', mac = ''] = process.argv.slice(2)
const option = (code: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(value.length, 2)
  return Buffer.concat([head, value])
}
const macBytes = Buffer.from(mac.replaceAll(':', ''), 'hex')
const solicit = Buffer.concat([
  Buffer.from([1, 0xab, 0xcd, 0xef]),
  option(1, Buffer.concat([Buffer.from([0, 3, 0, 1]), macBytes])), // DUID-LL
  option(3, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])), // IA_NA
  option(6, Buffer.from([0, 23, 0, 24])), // wanted: name servers, search list
  option(8, Buffer.from([0, 0])), // elapsed time
])

function* options(from: Buffer): Generator<[number, Buffer]> {
  for (let at = 0; at + 4 <= from.length; at += 4 + from.readUInt16BE(at + 2)) {
    yield [from.readUInt16BE(at), from.subarray(at + 4, at + 4 + from.readUInt16BE(at + 2))]
  }
}
const address = (bytes: Buffer): string => canonical(bytes.toString('hex').match(/.{4}/g)?.join(':') ?? '')

const socket = createSocket('udp6')
socket.on('message', (message, sender) => {
  const answer: Record<string, unknown> = { type: message[0], from: sender.address.split('%')[0] }
  for (const [code, value] of options(message.subarray(4))) {
    if (code === 23) answer['dns'] = address(value)
    if (code !== 3) continue
    for (const [inner, given] of options(value.subarray(12))) {
      if (inner === 5) answer['address'] = address(given.subarray(0, 16))
    }
  }
  process.stdout.write(JSON.stringify(answer))
  process.exit()
})
socket.bind(546, () => {
  const ask = (): void => socket.send(solicit, 547, `ff02::1:2%${link}`)
  ask()
  setInterval(ask, 500)
})
setTimeout(() => process.exit(1), 10_000)
