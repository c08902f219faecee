// Conditions of bucket policies, in the words of IAM (docs.aws.amazon.com/IAM, "Condition operators"): pure.
import { BlockList, isIP } from 'node:net'

/** What is known of a request: condition key in lower case → its values. A key that is absent is not known. */
export type Context = ReadonlyMap<string, readonly string[]>
/** operator → key → values. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

type Compare = (found: string, wanted: string) => boolean

const compareNumbers =
  (holds: (a: number, b: number) => boolean): Compare =>
  (found, wanted) =>
    holds(Number(found), Number(wanted))
const compareTimes =
  (holds: (a: number, b: number) => boolean): Compare =>
  (found, wanted) =>
    holds(timeOf(found), timeOf(wanted))
const same = (a: number, b: number) => a === b
const less = (a: number, b: number) => a < b
const lessOrSame = (a: number, b: number) => a <= b
const more = (a: number, b: number) => a > b
const moreOrSame = (a: number, b: number) => a >= b

function timeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text)
}

const equal: Compare = (found, wanted) => found === wanted
const equalIgnoringCase: Compare = (found, wanted) => found.toLowerCase() === wanted.toLowerCase()
const like: Compare = (found, wanted) => matchesWildcard(wanted, found)

const operators: Record<string, { compare: Compare; negated: boolean; accepts?: (value: string) => boolean }> = {
  stringequals: { compare: equal, negated: false },
  stringnotequals: { compare: equal, negated: true },
  stringequalsignorecase: { compare: equalIgnoringCase, negated: false },
  stringnotequalsignorecase: { compare: equalIgnoringCase, negated: true },
  stringlike: { compare: like, negated: false },
  stringnotlike: { compare: like, negated: true },
  arnequals: { compare: like, negated: false },
  arnlike: { compare: like, negated: false },
  arnnotequals: { compare: like, negated: true },
  arnnotlike: { compare: like, negated: true },
  bool: { compare: equalIgnoringCase, negated: false, accepts: (value) => /^(true|false)$/i.test(value) },
  ipaddress: { compare: within, negated: false, accepts: isNetwork },
  notipaddress: { compare: within, negated: true, accepts: isNetwork },
  ...Object.fromEntries(
    (
      [
        ['equals', same, false],
        ['notequals', same, true],
        ['lessthan', less, false],
        ['lessthanequals', lessOrSame, false],
        ['greaterthan', more, false],
        ['greaterthanequals', moreOrSame, false],
      ] as const
    ).flatMap(([name, holds, negated]) => [
      [`numeric${name}`, { compare: compareNumbers(holds), negated, accepts: isNumber }],
      [`date${name}`, { compare: compareTimes(holds), negated, accepts: isTime }],
    ]),
  ),
}

function isNumber(value: string): boolean {
  return value.trim() !== '' && Number.isFinite(Number(value))
}
function isTime(value: string): boolean {
  return Number.isFinite(timeOf(value))
}
function isNetwork(value: string): boolean {
  return networkOf(value) !== undefined
}

interface Operator {
  /** Of several values that are known: any of them must fit, or all. */
  over: 'any' | 'all' | undefined
  name: string
  ifExists: boolean
}

function readOperator(text: string): Operator {
  const [, set, rest = ''] = /^(?:(forallvalues|foranyvalue):)?(.*)$/.exec(text.toLowerCase()) ?? []
  const ifExists = rest.endsWith('ifexists')
  const over = set === 'forallvalues' ? 'all' : set === 'foranyvalue' ? 'any' : undefined
  return { over, name: ifExists ? rest.slice(0, -'ifexists'.length) : rest, ifExists }
}

/** A sentence about what is wrong with an operator and its values; undefined when nothing is. */
export function faultOfCondition(operator: string, values: readonly string[]): string | undefined {
  const { name } = readOperator(operator)
  if (name === 'null')
    return values.every((value) => /^(true|false)$/i.test(value)) ? undefined : 'Null takes true or false'
  const known = operators[name]
  if (!known) return `Invalid Condition type : ${operator.slice(0, 60)}`
  const wrong = values.find((value) => known.accepts && !value.includes('${') && !known.accepts(value))
  return wrong === undefined ? undefined : `${operator} cannot take the value ${wrong.slice(0, 60)}`
}

/** Whether all conditions hold. Values may have variables: `${aws:username}`. */
export function conditionsHold(conditions: Conditions, context: Context): boolean {
  return Object.entries(conditions).every(([operator, byKey]) =>
    Object.entries(byKey).every(([key, wanted]) => conditionHolds(readOperator(operator), key, wanted, context)),
  )
}

function conditionHolds(
  { over, name, ifExists }: Operator,
  key: string,
  wanted: readonly string[],
  context: Context,
): boolean {
  const found = context.get(key.toLowerCase())
  if (name === 'null') return wanted.some((value) => (value.toLowerCase() === 'true') === (found === undefined))
  const { compare, negated } = operators[name]!
  if (found === undefined || found.length === 0) return ifExists || negated || over === 'all'
  const values = wanted.map((value) => fillVariables(value, context))
  const fits = (each: string) => values.some((value) => compare(each, value)) !== negated
  // a negated operator asks of every value that it is none of these, unless it is told to look for any
  return over === 'all' || (negated && over === undefined) ? found.every(fits) : found.some(fits)
}

/** `${aws:username}` and its kind become what is known; an unknown one stays as it is, and fits nothing. */
export function fillVariables(text: string, context: Context): string {
  if (!text.includes('${')) return text
  return text.replaceAll(/\$\{([^}]*)\}/g, (whole, name: string) => {
    if (name === '*' || name === '?' || name === '$') return name
    return context.get(name.toLowerCase())?.[0] ?? whole
  })
}

/**
 * `*` stands for any text, `?` for one character. Greedy with one place to come back to, so a pattern of many stars costs no
 * more than its length times the text's: policies are written by users, and asked at every request.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  let [p, t, star, resume] = [0, 0, -1, 0]
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

function networkOf(text: string): BlockList | undefined {
  const [address = '', bits] = text.split('/')
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(address) === 0) return undefined
  const length = bits === undefined ? (family === 'ipv6' ? 128 : 32) : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (length < 0 || length > (family === 'ipv6' ? 128 : 32)) return undefined
  const list = new BlockList()
  list.addSubnet(address, length, family)
  return list
}

function within(found: string, wanted: string): boolean {
  const address = found.replace(/^::ffff:(?=\d+\.)/, '')
  return networkOf(wanted)?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? false
}
