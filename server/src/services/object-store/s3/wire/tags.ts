// Tags of buckets and objects: as XML, and as the header x-amz-tagging has them.
import { refuse } from './errors.ts'
import type { Content, Element } from './xml.ts'

export type Tags = Record<string, string>
export const mostObjectTags = 10
export const mostBucketTags = 50

/** `a=1&b=2`, percent-encoded. Throws InvalidArgument and InvalidTag. */
export function readTagHeader(text: string): Tags {
  const read = (part: string) => {
    try {
      return decodeURIComponent(part.replaceAll('+', ' '))
    } catch {
      return refuse(
        'InvalidArgument',
        'The header x-amz-tagging shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.',
      )
    }
  }
  const pairs = text
    .split('&')
    .filter(Boolean)
    .map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? [read(pair), ''] : [read(pair.slice(0, at)), read(pair.slice(at + 1))]
    })
  return requireTags(pairs, mostObjectTags)
}

/** The TagSet of a Tagging document. Throws MalformedXML and InvalidTag. */
export function readTagSet(document: Element, most: number): Tags {
  const set = document.child('TagSet') ?? refuse('MalformedXML')
  const pairs = set
    .children('Tag')
    .map((tag): [string, string] => [
      tag.textOf('Key') ?? refuse('MalformedXML'),
      tag.textOf('Value') ?? refuse('MalformedXML'),
    ])
  return requireTags(pairs, most)
}

const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
function requireTags(pairs: readonly [string, string][], most: number): Tags {
  if (pairs.length > most) refuse('InvalidTag', `There may be at most ${most} tags.`)
  const tags: Tags = {}
  for (const [key, value] of pairs) {
    if (key.length === 0 || key.length > 128 || !allowed.test(key))
      refuse('InvalidTag', 'The TagKey you have provided is invalid')
    if (value.length > 256 || !allowed.test(value)) refuse('InvalidTag', 'The TagValue you have provided is invalid')
    if (key.toLowerCase().startsWith('aws:')) refuse('InvalidTag', 'System tags cannot be added/updated by requester')
    if (Object.hasOwn(tags, key)) refuse('InvalidTag', 'Cannot provide multiple Tags with the same key')
    Object.defineProperty(tags, key, { value, enumerable: true, writable: true, configurable: true })
  }
  return tags
}

export function showTagSet(tags: Tags): Content {
  return { TagSet: { Tag: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) } }
}
