// What a bucket's lifecycle says of an object, and when. Pure; the times are those of S3: whole days, counted from the midnight
// (UTC) behind the moment they begin at.

export interface LifecycleFilter {
  prefix?: string | undefined
  tags?: Record<string, string> | undefined
  /** In bytes, neither included. */
  largerThan?: number | undefined
  smallerThan?: number | undefined
}
/** `at`: ISO 8601 midnight. */
export type When = { days: number } | { at: string }
export interface LifecycleRule {
  id: string
  enabled: boolean
  filter: LifecycleFilter
  expire?: When | undefined
  /** Marks of deletion that hide nothing any more. */
  expireMarkers?: boolean | undefined
  expireOlder?: { days: number; keepNewest?: number | undefined } | undefined
  transitions?: { when: When; storageClass: string }[] | undefined
  transitionsOfOlder?: { days: number; keepNewest?: number | undefined; storageClass: string }[] | undefined
  abortUploadsAfterDays?: number | undefined
}

export interface Candidate {
  name: string
  size: number
  tags: Record<string, string> | null
  /** When it became what it is; of an older version, when it was replaced. */
  since: Date
  storageClass: string
  /** Of older versions: how many older ones are newer than this. */
  newerOlder?: number
}

const dayMs = 86_400_000

/** The moment behind which something of that age is due: the first midnight at least so many days later. */
export function dueAt(since: Date, when: When): Date {
  if ('at' in when) return new Date(when.at)
  return new Date(Math.ceil((since.getTime() + when.days * dayMs) / dayMs) * dayMs)
}

export function meets({ prefix, tags, largerThan, smallerThan }: LifecycleFilter, of: Candidate): boolean {
  if (prefix !== undefined && !of.name.startsWith(prefix)) return false
  if (largerThan !== undefined && of.size <= largerThan) return false
  if (smallerThan !== undefined && of.size >= smallerThan) return false
  return Object.entries(tags ?? {}).every(([key, value]) => of.tags?.[key] === value)
}

export type Verdict = { kind: 'expire'; rule: string } | { kind: 'transition'; storageClass: string; rule: string }

/** What is due for an object as it is now. Expiry comes before any transition. */
export function verdictOnCurrent(rules: readonly LifecycleRule[], of: Candidate, now: Date): Verdict | undefined {
  const applying = rules.filter((rule) => rule.enabled && meets(rule.filter, of))
  const expiring = applying.find(({ expire }) => expire && dueAt(of.since, expire) <= now)
  if (expiring) return { kind: 'expire', rule: expiring.id }
  const due = applying.flatMap(({ id, transitions = [] }) =>
    transitions
      .map(({ when, storageClass }) => ({ at: dueAt(of.since, when), storageClass, rule: id }))
      .filter(({ at }) => at <= now),
  )
  return latest(due, of)
}

/** What is due for an older version. */
export function verdictOnOlder(rules: readonly LifecycleRule[], of: Candidate, now: Date): Verdict | undefined {
  const applying = rules.filter((rule) => rule.enabled && meets(rule.filter, of))
  const isDue = ({ days, keepNewest = 0 }: { days: number; keepNewest?: number | undefined }) =>
    (of.newerOlder ?? 0) >= keepNewest && dueAt(of.since, { days }) <= now
  const expiring = applying.find(({ expireOlder }) => expireOlder && isDue(expireOlder))
  if (expiring) return { kind: 'expire', rule: expiring.id }
  const due = applying.flatMap(({ id, transitionsOfOlder = [] }) =>
    transitionsOfOlder
      .filter(isDue)
      .map(({ days, storageClass }) => ({ at: dueAt(of.since, { days }), storageClass, rule: id })),
  )
  return latest(due, of)
}

function latest(due: { at: Date; storageClass: string; rule: string }[], of: Candidate): Verdict | undefined {
  const last = due.toSorted((a, b) => b.at.getTime() - a.at.getTime())[0]
  return last && last.storageClass !== of.storageClass
    ? { kind: 'transition', storageClass: last.storageClass, rule: last.rule }
    : undefined
}

/** When an object will go, and by which rule, if nothing else happens: the soonest. */
export function expiryOf(rules: readonly LifecycleRule[], of: Candidate): { at: Date; rule: string } | undefined {
  return rules
    .filter((rule) => rule.enabled && rule.expire && meets(rule.filter, of))
    .map(({ id, expire }) => ({ at: dueAt(of.since, expire!), rule: id }))
    .toSorted((a, b) => a.at.getTime() - b.at.getTime())[0]
}
