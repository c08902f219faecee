// Questions to one server: paged where the settings say so, attributes of many values in as many parts as it gives them.
import { type Client, type Entry, type Filter, InvalidDNSyntaxError, NoSuchObjectError } from 'ldapts'
import { binaryAttributes } from './entry.ts'

export interface Question {
  base: string
  scope: 'base' | 'one' | 'sub'
  filter: Filter
  attributes: readonly string[]
  /** 0: all at once. */
  pageSize: number
  /** At most so many; Infinity where an answer that is cut would be wrong. */
  limit: number
}

/** `complete` is false when there was more than the limit. Throws SizeLimitExceededError where the server gives no more. */
export async function search(client: Client, question: Question): Promise<{ entries: Entry[]; complete: boolean }> {
  const { base, scope, filter, pageSize, limit } = question
  const options = {
    scope,
    filter,
    // no attribute at all would mean every one
    attributes: question.attributes.length > 0 ? [...question.attributes] : ['1.1'],
    explicitBufferAttributes: binaryAttributes,
  }
  const entries: Entry[] = []
  if (pageSize > 0 && scope !== 'base') {
    for await (const page of client.searchPaginated(base, { ...options, paged: { pageSize } })) {
      for (const entry of page.searchEntries) entries.push(entry)
      if (entries.length > limit) return { entries: entries.slice(0, limit), complete: false }
    }
    return { entries, complete: true }
  }
  // no limit is sent: the library would not tell an answer that was cut at the server's own from a whole one
  const { searchEntries } = await client.search(base, options)
  return { entries: searchEntries.slice(0, limit), complete: searchEntries.length <= limit }
}

/** One entry by its DN, if it is there and matches. */
export async function readEntry(
  client: Client,
  dn: string,
  filter: Filter,
  attributes: readonly string[],
): Promise<Entry | undefined> {
  try {
    const { entries } = await search(client, {
      base: dn,
      scope: 'base',
      filter,
      attributes,
      pageSize: 0,
      limit: Infinity,
    })
    return entries[0]
  } catch (error) {
    if (error instanceof NoSuchObjectError || error instanceof InvalidDNSyntaxError) return undefined
    throw error
  }
}

const mostParts = 10_000

/**
 * All values of an attribute. Active Directory gives 1500 at a time, as `member;range=0-1499`, and has to be asked for the
 * rest (MS-ADTS 3.1.1.3.1.3.3). `readMore` asks for the attribute under the name it is given.
 */
export async function allValues(
  entry: Entry,
  attribute: string,
  readMore: (name: string) => Promise<Entry | undefined>,
): Promise<string[]> {
  const values: string[] = []
  const add = (value: Entry[string]) => {
    for (const each of [value].flat()) values.push(typeof each === 'string' ? each : each.toString('utf8'))
  }
  let from: Entry | undefined = entry
  for (let part = 0; from && part < mostParts; part++) {
    const ranged = Object.entries(from).find(([name]) => rangeOf(name, attribute) !== undefined)
    if (!ranged) {
      const plain = Object.entries(from).find(([name]) => name.toLowerCase() === attribute.toLowerCase())
      if (plain) add(plain[1])
      return values
    }
    add(ranged[1])
    const last = rangeOf(ranged[0], attribute)
    if (last === '*' || last === undefined) return values
    from = await readMore(`${attribute};range=${Number(last) + 1}-*`)
  }
  return values
}

/** Where a part of the values ends: a number, or '*' for the last part. */
function rangeOf(name: string, attribute: string): string | undefined {
  const match = /^(.+);range=\d+-(\d+|\*)$/i.exec(name)
  return match && match[1]!.toLowerCase() === attribute.toLowerCase() ? match[2] : undefined
}
