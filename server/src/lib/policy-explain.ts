// Why a rule allows or does not: for people. Deciding itself never comes here.
import { compile, type Rule, type Target } from '#lib/policy-rule.ts'

export interface Explanation {
  allowed: boolean
  rule: string
  /** The rule's text as it is in force; undefined when there is no such rule. */
  text: string | undefined
  /** The rules that win over it just now. */
  deniedBy: { rule: string; text: string }[]
  /** Ways to be allowed, each with all that it still lacks. Empty when allowed, or when nothing would help. */
  missing: string[][]
}

interface Known {
  rules: ReadonlyMap<string, Rule>
  texts: Readonly<Record<string, string>>
  denies: readonly string[]
}

const mostWays = 24
const mostDeep = 30

export function explain({ rules, texts, denies }: Known, rule: string, creds: Target, target: Target): Explanation {
  const find = (name: string) => compile(rules.get(name) ?? { kind: 'always', value: false })
  const holds = (tree: Rule) => compile(tree)(creds, target, find)

  /** The ways in which a tree that does not hold could, as what each lacks. */
  const lacks = (tree: Rule, depth: number): string[][] => {
    if (holds(tree)) return [[]]
    if (depth > mostDeep) return []
    switch (tree.kind) {
      case 'always':
        return [] // '!' can never hold
      case 'test':
        return [[tree.lacks(creds, target)]]
      case 'not':
        return [[`must not be: ${textOf(tree.of)}`]]
      case 'rule': {
        const named = rules.get(tree.name)
        return named ? lacks(named, depth + 1) : [[`there is no rule ${tree.name}`]]
      }
      case 'any':
        return distinct(tree.of.flatMap((each) => lacks(each, depth + 1)))
      case 'all': {
        let ways: string[][] = [[]]
        for (const each of tree.of) {
          const more = lacks(each, depth + 1)
          ways = ways.flatMap((way) => more.map((lacking) => [...way, ...lacking])).slice(0, mostWays)
        }
        return distinct(ways)
      }
    }
  }

  const tree = rules.get(rule)
  const deniedBy = denies
    .filter((name) => holds({ kind: 'rule', name }))
    .map((name) => ({ rule: name, text: texts[name] ?? '' }))
  const holdsItself = tree !== undefined && holds(tree)
  return {
    allowed: holdsItself && deniedBy.length === 0,
    rule,
    text: texts[rule],
    deniedBy,
    missing: tree === undefined || holdsItself ? [] : lacks(tree, 0),
  }
}

function distinct(ways: string[][]): string[][] {
  const seen = new Map(ways.map((way) => [...new Set(way)]).map((way) => [way.join('\n'), way]))
  return [...seen.values()].slice(0, mostWays)
}

function textOf(rule: Rule): string {
  switch (rule.kind) {
    case 'always':
      return rule.value ? '@' : '!'
    case 'test':
      return rule.text
    case 'rule':
      return `rule:${rule.name}`
    case 'not':
      return `not ${textOf(rule.of)}`
    default:
      return `(${rule.of.map(textOf).join(rule.kind === 'any' ? ' or ' : ' and ')})`
  }
}
