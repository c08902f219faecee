// What a request carries: its JSON body and its query, refused when they could harm what is behind.
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Fault } from '#lib/fault.ts'
import type { QueryValues } from '#lib/http/route.ts'

export interface BodyRules {
  limitKb: number
  /** Content types other than application/json. */
  accepts: readonly string[] | undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
// Deeper than any client writes; JSON.stringify and PostgreSQL give up far behind it.
const mostNesting = 200
// Whoever sends a mebibyte that slowly only wants to hold the connection.
const slowestMs = 60_000

/** The JSON body; undefined when there is none. Throws invalid, tooLarge or unsupportedMedia. */
export async function readBody(raw: FastifyRequest, rules: BodyRules): Promise<unknown> {
  if (raw.method === 'GET' || raw.method === 'HEAD') return undefined
  const length = Number(raw.headers['content-length'] ?? 0)
  if (length === 0 && raw.headers['transfer-encoding'] === undefined) return undefined
  const bytes = await readBytes(raw.raw, length, rules.limitKb)
  if (bytes.length === 0) return undefined
  const type = (raw.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json' && !(rules.accepts ?? []).includes(type)) {
    const isType = /^[^\s/]+\/[^\s/]+$/.test(type)
    if (!isType || rules.accepts || type.startsWith('text/') || type.includes('xml'))
      throw new Fault('unsupportedMedia', `The content type ${type} is not supported.`)
  }
  return parseJson(bytes)
}

/** A body in memory; `length` is what it says of itself. Throws tooLarge. */
export async function readBytes(stream: Readable, length: number, limitKb: number): Promise<Buffer> {
  const limit = limitKb * 1024
  const refuse = () => {
    throw new Fault('tooLarge', `The request body is larger than ${limitKb} KiB.`)
  }
  if (length > limit) refuse()
  const chunks: Buffer[] = []
  let size = 0
  const timer = setTimeout(() => stream.destroy(), slowestMs)
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) refuse()
      chunks.push(chunk)
    }
  } finally {
    clearTimeout(timer)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function parseJson(bytes: Buffer): unknown {
  const refuse = (why: string, cause?: unknown): never => {
    throw new Fault('invalid', `Malformed request body: ${why}.`, { cause })
  }
  let text = ''
  try {
    text = utf8.decode(bytes)
  } catch {
    refuse('it is not valid UTF-8')
  }
  if (isDeep(text)) refuse(`it is nested more than ${mostNesting} levels deep`)
  let value: unknown
  try {
    // escapes may hide a name, so what looks suspicious is looked at piece by piece
    value = /__proto__|\\u00/i.test(text) ? JSON.parse(text, refuseHarm) : JSON.parse(text)
  } catch (error) {
    if (error instanceof Fault) throw error
    // the engine's sentence quotes the body, which may hold a password
    const where =
      /at position \d+/.exec((error as Error).message)?.[0] ?? 'it ends too early or has something odd in it'
    refuse(`it is not valid JSON (${where})`, error)
  }
  return value
}

function refuseHarm(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Fault('invalid', 'Malformed request body: the name __proto__ is not allowed.')
  // PostgreSQL cannot hold U+0000, and no name or text has a use for it
  if (key.includes('\0') || (typeof value === 'string' && value.includes('\0')))
    throw new Fault('invalid', 'Malformed request body: the character U+0000 is not allowed.')
  return value
}

function isDeep(text: string): boolean {
  if (text.length < mostNesting) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) inString = !inString
    else if (inString) {
      if (code === 0x5c) i++ // the character behind a backslash
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > mostNesting) return true
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return false
}

/** Throws invalid for what no filter could mean. */
export function readQuery(raw: FastifyRequest): QueryValues {
  const query = raw.query as QueryValues
  for (const value of Object.values(query)) {
    if (value.includes('\0') || (Array.isArray(value) && value.some((each) => each.includes('\0'))))
      throw new Fault('invalid', 'Malformed query: the character U+0000 is not allowed.')
  }
  return query
}
