// Tells somebody outside by HTTP. The address comes from users, so it must not be one that only this cloud can reach: its own
// services, its network, its hosts' metadata. What a name means is looked at when the connection is made, not before.
import { lookup as resolve } from 'node:dns'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Fault } from '#lib/fault.ts'

const { request: httpRequest } = process.getBuiltinModule('node:http') // lib/http/status.ts says why
const timeoutMs = 10_000

/** Addresses that are nobody's on the Internet (RFC 6890, IANA's special-purpose registries). */
const reserved = new BlockList()
for (const [address, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  reserved.addSubnet(address, bits, 'ipv4')
// of IPv6 only 2000::/3 is given out; in it these are not hosts of anybody
for (const [address, bits] of [
  ['2001:db8::', 32],
  ['2001::', 23],
  ['2002::', 16],
] as const)
  reserved.addSubnet(address, bits, 'ipv6')
const given = new BlockList()
given.addSubnet('2000::', 3, 'ipv6')

/** Whether an address is one that anybody on the Internet could reach as well. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !reserved.check(address, 'ipv4')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return isPublicAddress(mapped[1]!)
  return isIP(address) === 6 && given.check(address, 'ipv6') && !reserved.check(address, 'ipv6')
}

/** The URL, if it may be told; else a sentence. `allowed`: hosts of this network that may. */
export function parseWebhook(text: string, allowed: string): URL | string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return `${text.slice(0, 200)} is not a URL.`
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'A webhook needs a URL of http or https.'
  if (url.username !== '' || url.password !== '') return 'The URL of a webhook may not have a user or a password.'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isPublicAddress(host) && !isAllowed(url, allowed))
    return `${host} is an address of this network, which webhooks may not reach.`
  return url
}

function isAllowed(url: URL, allowed: string): boolean {
  const names = allowed.split(',').map((each) => each.trim().toLowerCase())
  return names.includes(url.hostname.toLowerCase()) || names.includes(url.host.toLowerCase())
}

/**
 * Posts JSON. Returns when the receiver has answered 2xx. Throws a Fault for an address that may not be told, and an Error for
 * whatever may be otherwise the next time: no answer, another answer. Redirections are not followed.
 */
export async function postWebhook(
  url: URL,
  body: unknown,
  { allowed, signal, headers = {} }: { allowed: string; signal: AbortSignal; headers?: Record<string, string> },
): Promise<void> {
  const refused = parseWebhook(url.href, allowed)
  if (typeof refused === 'string') throw new Fault('forbidden', refused)
  const free = isAllowed(url, allowed)
  const payload = Buffer.from(JSON.stringify(body))
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': payload.length, ...headers },
    agent: false as const,
    lookup: free ? undefined : publicLookup,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  }
  await new Promise<void>((done, fail) => {
    const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (incoming) => {
      incoming.resume()
      const { statusCode = 0 } = incoming
      if (statusCode >= 200 && statusCode < 300) done()
      else fail(new Error(`the webhook ${url.origin} answered ${statusCode}`))
      incoming.destroy()
    })
    outgoing.on('error', fail)
    outgoing.end(payload)
  })
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, [])
    const usable = addresses.filter(({ address }) => isPublicAddress(address))
    const [first] = usable
    if (!first) return callback(new Error(`${hostname} is a name of this network, which webhooks may not reach`), [])
    return options.all ? callback(null, usable) : callback(null, first.address, first.family)
  })
}
