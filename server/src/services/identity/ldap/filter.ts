// Search filters, built of values and never of text: what somebody types cannot become a part of the question (RFC 4515's
// escapes are only needed where a filter is written down). The operator's own filter is the one that is parsed.
import {
  AndFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  FilterParser,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts'
import type { TextFilter } from '../matching.ts'
import type { EntrySettings } from './settings.ts'

/** Active Directory's rule that follows groups through groups (LDAP_MATCHING_RULE_IN_CHAIN). */
const inChain = '1.2.840.113556.1.4.1941'

export function all(filters: readonly Filter[]): Filter {
  return filters.length === 1 ? filters[0]! : new AndFilter({ filters: [...filters] })
}
export function any(filters: readonly Filter[]): Filter {
  return filters.length === 1 ? filters[0]! : new OrFilter({ filters: [...filters] })
}

export const is = (attribute: string, value: string | Buffer): Filter => new EqualityFilter({ attribute, value })
export const isThere = (attribute: string): Filter => new PresenceFilter({ attribute })
export const isInChain = (attribute: string, value: string): Filter =>
  new ExtensibleFilter({ matchType: attribute, rule: inChain, value })

/** What every entry of the kind matches. Throws an Error for an operator's filter that cannot be read. */
export function ofKind({ objectClass, filter }: Pick<EntrySettings, 'objectClass' | 'filter'>): Filter[] {
  return [is('objectClass', objectClass), ...(filter === undefined ? [] : [FilterParser.parseString(filter)])]
}

/** As far as LDAP can say it: case is the directory's business. */
export function isText(attribute: string, { how, text }: TextFilter): Filter {
  if (text === '') return isThere(attribute)
  if (how === 'equals') return is(attribute, text)
  if (how === 'startsWith') return new SubstringFilter({ attribute, initial: text })
  if (how === 'endsWith') return new SubstringFilter({ attribute, final: text })
  return new SubstringFilter({ attribute, any: [text] })
}
