// Our own checks beside oslo.policy's, for what a role cannot say: where a request comes from, when, and what the resource
// is tagged with. A check about something that is not known is not fulfilled.
import { BlockList, isIP } from 'node:net'

type Values = Readonly<Record<string, unknown>>
interface Condition {
  test(creds: Values, target: Values): boolean
  lacks(creds: Values, target: Values): string
}

/** Of the request, apart from who asks and about what. */
export interface Circumstances {
  readonly address: string
  readonly at: Date
}

/** What the credentials of a request carry its circumstances as. */
export const circumstancesKey = 'request'
const circumstancesOf = (creds: Values) => creds[circumstancesKey] as Circumstances | undefined

type Make = (match: string, fail: (why: string) => never) => Condition
const makers: Record<string, Make> = { ip: address, time: timeOfDay, weekday, tag }

/** The check `<kind>:<match>`, if it is one of ours. */
export function conditionOf(kind: string, match: string, fail: (why: string) => never): Condition | undefined {
  return Object.hasOwn(makers, kind) ? makers[kind]!(match, fail) : undefined
}
export const asksForRequest = (text: string) => /(^|[\s(])(ip|time|weekday):/.test(text)
export const asksForTags = (text: string) => /(^|[\s(])tag:/.test(text)

/** `ip:10.0.0.0/8`, `ip:2001:db8::/32`, `ip:192.0.2.7`. */
function address(match: string, fail: (why: string) => never): Condition {
  const [net = '', prefix, ...more] = match.split('/')
  const family = isIP(net)
  const bits = family === 6 ? 128 : 32
  const length = prefix === undefined ? bits : Number(prefix)
  if (family === 0 || more.length > 0 || !/^\d+$/.test(prefix ?? '0') || length > bits)
    fail(`ip:${match} is no address and no CIDR`)
  const list = new BlockList()
  list.addSubnet(net, length, family === 6 ? 'ipv6' : 'ipv4')
  return {
    test(creds) {
      const from = circumstancesOf(creds)?.address.replace(/^::ffff:(?=\d+\.)/, '')
      const kind = from === undefined ? 0 : isIP(from)
      return kind !== 0 && list.check(from!, kind === 6 ? 'ipv6' : 'ipv4')
    },
    lacks: (creds) =>
      `the request must come from ${match}, and came from ${circumstancesOf(creds)?.address ?? 'nowhere known'}`,
  }
}

/** `time:08:00-18:00`, over midnight `time:22:00-06:00`; UTC, or `@Europe/Berlin` behind it. The end is outside. */
function timeOfDay(match: string, fail: (why: string) => never): Condition {
  const [, h1, m1, h2, m2, zone = 'UTC'] =
    /^(\d\d):(\d\d)-(\d\d):(\d\d)(?:@(\S+))?$/.exec(match) ?? fail(`time:${match} is not HH:MM-HH:MM`)
  const from = Number(h1) * 60 + Number(m1)
  const to = Number(h2) * 60 + Number(m2)
  if (from >= 1440 || to > 1440 || Number(m1) > 59 || Number(m2) > 59) fail(`time:${match} is no time of the day`)
  const clock = clockIn(zone, fail)
  return {
    test(creds) {
      const at = circumstancesOf(creds)?.at
      if (!at) return false
      const { minute } = clock(at)
      return from <= to ? minute >= from && minute < to : minute >= from || minute < to
    },
    lacks: (creds) =>
      `the time must be within ${match}, and is ${circumstancesOf(creds)?.at.toISOString() ?? 'not known'}`,
  }
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** `weekday:mon-fri`, `weekday:sat,sun`, with a zone as `time` has. */
function weekday(match: string, fail: (why: string) => never): Condition {
  const [listed = '', zone = 'UTC'] = match.split('@')
  const wanted = new Set<string>()
  for (const part of listed.toLowerCase().split(',')) {
    const [first = '', last = first] = part.split('-')
    const [a, b] = [days.indexOf(first), days.indexOf(last)]
    if (a < 0 || b < 0) fail(`weekday:${match} has a day that is none of ${days.join(', ')}`)
    for (let i = a; ; i = (i + 1) % 7) {
      wanted.add(days[i]!)
      if (i === b) break
    }
  }
  const clock = clockIn(zone, fail)
  return {
    test(creds) {
      const at = circumstancesOf(creds)?.at
      return at !== undefined && wanted.has(clock(at).day)
    },
    lacks: () => `the day must be one of ${[...wanted].join(', ')} (${zone})`,
  }
}

function clockIn(zone: string, fail: (why: string) => never): (at: Date) => { day: string; minute: number } {
  let format: Intl.DateTimeFormat
  try {
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...parts })
  } catch {
    return fail(`${zone} is no time zone`)
  }
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    return {
      day: (parts['weekday'] ?? '').toLowerCase(),
      minute: Number(parts['hour']) * 60 + Number(parts['minute']),
    }
  }
}

/** `tag:production`, `tag:env=prod`: the resource has it among its tags (a list of words, or a map of names to values). */
function tag(match: string, fail: (why: string) => never): Condition {
  if (match === '') fail('tag: has no tag')
  return {
    test: (_creds, target) => hasTag(target['tags'], match),
    lacks: () => `the resource must have the tag ${match}`,
  }
}

function hasTag(tags: unknown, wanted: string): boolean {
  if (Array.isArray(tags)) return tags.includes(wanted)
  if (typeof tags !== 'object' || tags === null) return false
  const equals = wanted.indexOf('=')
  if (equals < 0) return Object.hasOwn(tags, wanted)
  return String((tags as Record<string, unknown>)[wanted.slice(0, equals)]) === wanted.slice(equals + 1)
}
