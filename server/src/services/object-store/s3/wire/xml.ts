// S3's XML, in and out. What comes in is small, has no document type and no entities but the five that XML has.
import { createRequire } from 'node:module'
import { refuse } from './errors.ts'

/** What an element holds: text, elements by name (a list repeats the element), or nothing (undefined: no element). */
export type Content = string | number | boolean | undefined | readonly Content[] | { readonly [name: string]: Content }

/** In an element's content: its attributes, as they are written. */
export const attributes = Symbol.for('attributes')

const head = '<?xml version="1.0" encoding="UTF-8"?>\n'
const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** A whole document; its root has S3's namespace. */
export function document(root: string, content: Content): string {
  return `${head}<${root} xmlns="${namespace}">${inner(content)}</${root}>`
}

/** Errors have no namespace. */
export function plainDocument(root: string, content: Content): string {
  return `${head}<${root}>${inner(content)}</${root}>`
}

function inner(content: Content): string {
  if (content === undefined) return ''
  if (typeof content !== 'object') return escape(String(content))
  if (Array.isArray(content)) return content.map(inner).join('')
  let out = ''
  for (const [name, value] of Object.entries(content as { [name: string]: Content })) {
    if (value === undefined) continue
    for (const each of Array.isArray(value) ? value : [value]) out += element(name, each as Content)
  }
  return out
}

function element(name: string, content: Content): string {
  const said = typeof content === 'object' && attributes in content ? ` ${String(content[attributes as never])}` : ''
  return `<${name}${said}>${inner(content)}</${name}>`
}

const special = /[&<>"'\p{Cc}]/u
const specials = /[&<>"'\p{Cc}]/gu
const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }
// control characters as references, as S3 writes them: names may hold them
function escape(text: string): string {
  if (!special.test(text)) return text
  return text.replaceAll(specials, (found) => names[found] ?? `&#x${found.charCodeAt(0).toString(16)};`)
}

// Loaded at the first document: most servers never see one. Not by `await import`, for whoever reads need not wait.
const require = createRequire(import.meta.url)
let loaded: typeof import('fast-xml-parser') | undefined
const reading = {
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  processEntities: false,
  removeNSPrefix: true,
  trimValues: false,
}

/** An element that was read. */
export interface Element {
  /** Its text, without the blanks around it where it has elements. */
  readonly text: string
  /** The first element of that name. */
  child(name: string): Element | undefined
  children(name: string): Element[]
  /** The text of the first element of that name. */
  textOf(name: string): string | undefined
  readonly names: readonly string[]
}

/** Reads a document with that root. Throws MalformedXML. */
export function readDocument(bytes: Buffer, root: string): Element {
  const { XMLParser, XMLValidator } = (loaded ??= require('fast-xml-parser') as typeof import('fast-xml-parser'))
  const text = bytes.toString('utf8')
  if (/<!(DOCTYPE|ENTITY)/i.test(text) || XMLValidator.validate(text) !== true) refuse('MalformedXML')
  let parsed: Record<string, unknown>
  try {
    parsed = new XMLParser(reading).parse(text) as Record<string, unknown>
  } catch {
    return refuse('MalformedXML')
  }
  const found = parsed[root]
  if (found === undefined || Array.isArray(found)) refuse('MalformedXML')
  return asElement(found)
}

function asElement(value: unknown): Element {
  const isTree = typeof value === 'object' && value !== null
  const fields = isTree ? (value as Record<string, unknown>) : {}
  const text = unescape(String(isTree ? (fields['#text'] ?? '') : value))
  const children = (name: string) => {
    const found = fields[name]
    return found === undefined ? [] : (Array.isArray(found) ? found : [found]).map(asElement)
  }
  return {
    text,
    children,
    child: (name) => children(name)[0],
    textOf: (name) => children(name)[0]?.text,
    names: Object.keys(fields).filter((name) => name !== '#text'),
  }
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
function unescape(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&(#x[0-9a-f]{1,6}|#\d{1,7}|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return entities[name] ?? refuse('MalformedXML', `The entity ${whole} is not known.`)
    const point = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return point > 0x10_ff_ff || point === 0 ? refuse('MalformedXML') : String.fromCodePoint(point)
  })
}
