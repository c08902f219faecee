// Rules in oslo.policy's language (docs.openstack.org/oslo.policy, "Policy Rule Expressions"): read to a tree, which is
// compiled to one function for deciding and kept for explaining.
import { conditionOf } from '#lib/policy-condition.ts'

/** What a rule is asked about: the attributes that `%(name)s` means, nested by dots. */
export type Target = Readonly<Record<string, unknown>>
export type Check = (creds: Target, target: Target, rule: (name: string) => Check) => boolean

export type Rule =
  | { readonly kind: 'any' | 'all'; readonly of: readonly Rule[] }
  | { readonly kind: 'not'; readonly of: Rule }
  | { readonly kind: 'always'; readonly value: boolean }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'test'; readonly text: string; readonly test: Test; readonly lacks: Lacks }

export type Test = (creds: Target, target: Target) => boolean
/** Why a test fails, as what would have to be. */
export type Lacks = (creds: Target, target: Target) => string

/** Reads one rule. Throws an Error naming the rule when it cannot be read. */
export function readRule(text: string, name = 'rule'): Rule {
  const words =
    text.match(/'[^']*'(?::%\([^)]+\)s|:\S+)?|%\([^)]+\)s(?::[^\s()]+)?|[^\s()]+:%\([^)]+\)s|\(|\)|[^\s()]+/g) ?? []
  let at = 0
  const fail = (why: string): never => {
    throw new Error(`policy ${name}: ${why} in "${text}"`)
  }
  const series = (kind: 'any' | 'all', word: string, part: () => Rule): Rule => {
    const of = [part()]
    while (words[at]?.toLowerCase() === word) {
      at++
      of.push(part())
    }
    return of.length === 1 ? of[0]! : { kind, of }
  }
  const either = (): Rule => series('any', 'or', both)
  const both = (): Rule => series('all', 'and', unary)
  const unary = (): Rule => {
    const word = words[at++]
    if (word === undefined) return fail('something is missing')
    if (word.toLowerCase() === 'not') return { kind: 'not', of: unary() }
    if (word === '(') {
      const inner = either()
      if (words[at++] !== ')') fail('a ")" is missing')
      return inner
    }
    if (word === '@' || word === '!') return { kind: 'always', value: word === '@' }
    return comparison(word, fail)
  }
  if (words.length === 0) return { kind: 'always', value: true } // oslo: an empty rule allows
  const rule = either()
  if (at !== words.length) fail(`"${words[at]}" is not expected`)
  return rule
}

/** One function of the whole tree. */
export function compile(rule: Rule): Check {
  if (rule.kind === 'always') {
    const { value } = rule
    return () => value
  }
  if (rule.kind === 'test') return rule.test
  if (rule.kind === 'rule') {
    const { name } = rule
    return (c, t, find) => find(name)(c, t, find)
  }
  if (rule.kind === 'not') {
    const inner = compile(rule.of)
    return (c, t, find) => !inner(c, t, find)
  }
  const [first, ...rest] = rule.of.map(compile)
  const join =
    rule.kind === 'any'
      ? (a: Check, b: Check): Check =>
          (c, t, find) =>
            a(c, t, find) || b(c, t, find)
      : (a: Check, b: Check): Check =>
          (c, t, find) =>
            a(c, t, find) && b(c, t, find)
  return rest.reduce(join, first!)
}

function comparison(word: string, fail: (why: string) => never): Rule {
  const colon = word.startsWith("'") ? word.indexOf(':', word.indexOf("'", 1)) : word.indexOf(':')
  if (colon < 1) return fail(`"${word}" is not <kind>:<match>`)
  const kind = word.slice(0, colon)
  const match = word.slice(colon + 1)
  if (kind === 'rule') return { kind: 'rule', name: match }
  if (kind === 'http' || kind === 'https') return fail('remote checks (http:) are not supported')
  if (kind === 'field') return fieldCheck(word, match, fail)
  const condition = conditionOf(kind, match, fail)
  if (condition) return { kind: 'test', text: word, ...condition }
  const wanted = placeholder(match)
  if (kind === 'role') {
    return {
      kind: 'test',
      text: word,
      test(c, t) {
        const role = wanted(t)
        return typeof role === 'string' && (c['roles'] as readonly string[]).includes(role.toLowerCase())
      },
      lacks: (c, t) =>
        `needs role ${shown(wanted(t))}${typeof c['project_id'] === 'string' ? ` in project ${c['project_id']}` : ''}`,
    }
  }
  const literal = literalOf(kind)
  return {
    kind: 'test',
    text: word,
    test(c, t) {
      const right = wanted(t)
      if (right === undefined) return false
      const left = literal ? literal.value : dig(c, kind)
      // what neither of them has makes nobody an owner: a token without a project, an image without one
      if (left === null && right === null) return false
      if (Array.isArray(left)) return left.some((each) => pythonText(each) === pythonText(right))
      return left !== undefined && pythonText(left) === pythonText(right)
    },
    lacks(c, t) {
      const right = wanted(t)
      if (right === undefined) return `the target has no ${match.replace(/^%\((.*)\)s$/, '$1')}, which ${word} asks for`
      if (literal)
        return `${match.replace(/^%\((.*)\)s$/, '$1')} of the target must be ${shown(literal.value)}, and is ${shown(right)}`
      return `${kind} of the token must be ${shown(right)}, and is ${shown(dig(c, kind))}`
    },
  }
}

/**
 * Neutron's `field:networks:shared=True`, and `=~` for a pattern at the value's beginning. The attribute is the target's own, or
 * that of a thing it belongs to, which the target has as `network:shared`.
 */
function fieldCheck(word: string, match: string, fail: (why: string) => never): Rule {
  const [, plural, field = '', value = ''] = /^([^:]+):([^=]+)=(.*)$/.exec(match) ?? []
  if (plural === undefined) return fail(`"${word}" is not field:<resources>:<attribute>=<value>`)
  const ofParent = `${plural.replace(/s$/, '')}:${field}`
  const find = (target: Target) => target[field] ?? target[ofParent]
  const pattern = value.startsWith('~') ? patternOf(value.slice(1), fail) : undefined
  return {
    kind: 'test',
    text: word,
    test(_creds, target) {
      const found = find(target)
      if (found === undefined || found === null) return false
      return pattern ? pattern.test(pythonText(found)) : pythonText(found) === value
    },
    lacks: (_creds, target) => `${field} of the target must be ${value}, and is ${shown(find(target))}`,
  }
}

function patternOf(source: string, fail: (why: string) => never): RegExp {
  try {
    return new RegExp(`^(?:${source})`)
  } catch {
    return fail(`"${source}" is no regular expression`)
  }
}

const shown = (value: unknown): string =>
  value === undefined || value === null
    ? 'not set'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : pythonText(value)

// How Python writes a value, which is how oslo compares.
const pythonText = (value: unknown): string =>
  value === null ? 'None' : value === true ? 'True' : value === false ? 'False' : String(value)

function literalOf(kind: string): { value: unknown } | undefined {
  if (/^'.*'$/.test(kind)) return { value: kind.slice(1, -1) }
  if (kind === 'None' || kind === 'True' || kind === 'False' || /^\d+$/.test(kind)) return { value: kind }
  return undefined
}

function placeholder(match: string): (target: Target) => unknown {
  const inside = /^%\(([^)]+)\)s$/.exec(match)?.[1]
  return inside === undefined ? () => match : (target) => (inside in target ? target[inside] : dig(target, inside))
}

function dig(from: Target, path: string): unknown {
  if (path in from) return from[path]
  let value: unknown = from
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}
