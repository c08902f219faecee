// Lists of containers and objects as plain text, JSON and XML.
import type { ContainerEntry, Window } from '../containers.ts'
import type { Entry } from '../listing.ts'
import { type Answer, escapeMarkup, listDate, refuse } from './answer.ts'
import type { SwiftRequest } from './request.ts'

export const listLimit = 10_000
export type Format = 'plain' | 'json' | 'xml'

const typeOf: Record<Format, string> = {
  plain: 'text/plain; charset=utf-8',
  json: 'application/json; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
}

/** `format` in the query, else what Accept likes best. Throws 406. */
export function readFormat(sr: SwiftRequest): Format {
  const asked = sr.param('format')?.toLowerCase()
  if (asked === 'json' || asked === 'xml' || asked === 'plain') return asked
  const accept = sr.header('accept')
  if (accept === undefined || accept.trim() === '') return 'plain'
  const liked = accept
    .split(',')
    .map((each, i) => {
      const [type = '', ...rest] = each.split(';').map((part) => part.trim().toLowerCase())
      const q = rest.find((part) => part.startsWith('q='))
      return { type, q: q === undefined ? 1 : Number(q.slice(2)), i }
    })
    .filter(({ q }) => q > 0)
    .toSorted((a, b) => b.q - a.q || a.i - b.i)
  for (const { type } of liked) {
    if (type === 'application/json') return 'json'
    if (type === 'application/xml' || type === 'text/xml') return 'xml'
    if (type === 'text/plain' || type === 'text/*' || type === '*/*' || type === 'application/*') return 'plain'
  }
  return liked.some(({ type }) => type.includes('/')) ? refuse(406) : refuse(400, 'Invalid Accept header')
}

export function readWindow(sr: SwiftRequest): Window {
  const text = sr.param('limit')
  const limit = text === undefined || text === '' ? listLimit : /^\d+$/.test(text) ? Number(text) : listLimit
  if (limit > listLimit) refuse(412, `Maximum limit is ${listLimit}`)
  return {
    prefix: sr.param('prefix') ?? '',
    marker: sr.param('marker') ?? '',
    endMarker: sr.param('end_marker') ?? '',
    limit,
    reverse: /^(true|1|yes|on|t|y)$/i.test(sr.param('reverse') ?? ''),
  }
}

const xmlHead = '<?xml version="1.0" encoding="UTF-8"?>\n'

export function containerList(format: Format, account: string, rows: ContainerEntry[]): Answer {
  const headers = { 'Content-Type': typeOf[format] }
  if (format === 'plain')
    return plain(
      headers,
      rows.map((row) => row.name),
    )
  const shown = rows.map((row) => ({
    name: row.name,
    count: row.objects,
    bytes: row.bytes,
    last_modified: listDate(row.createdAt),
  }))
  if (format === 'json') return { status: 200, headers, body: JSON.stringify(shown) }
  const inner = shown.map((row) => `<container>${elements(row)}</container>`).join('')
  return { status: 200, headers, body: `${xmlHead}<account name="${escapeMarkup(account)}">${inner}</account>` }
}

export function objectList(format: Format, container: string, rows: Entry[]): Answer {
  const headers = { 'Content-Type': typeOf[format] }
  if (format === 'plain')
    return plain(
      headers,
      rows.map((row) => ('subdir' in row ? row.subdir : row.name)),
    )
  const shown = rows.map((row) =>
    'subdir' in row
      ? row
      : {
          name: row.name,
          hash: row.etag,
          bytes: row.size,
          content_type: row.contentType,
          last_modified: listDate(row.modifiedAt),
          ...(row.kind === 'slo' && { slo_etag: `"${row.etag}"` }),
          ...(row.symlinkPath !== undefined && { symlink_path: row.symlinkPath }),
          ...(row.latest !== undefined && { is_latest: row.latest, version_id: versionText(row.version!) }),
        },
  )
  if (format === 'json') return { status: 200, headers, body: JSON.stringify(shown) }
  const inner = shown
    .map((row) =>
      'subdir' in row
        ? `<subdir name="${escapeMarkup(row.subdir)}"><name>${escapeMarkup(row.subdir)}</name></subdir>`
        : `<object>${elements(row)}</object>`,
    )
    .join('')
  return { status: 200, headers, body: `${xmlHead}<container name="${escapeMarkup(container)}">${inner}</container>` }
}

function plain(headers: Record<string, string>, names: string[]): Answer {
  if (names.length === 0) return { status: 204, headers }
  return { status: 200, headers, body: `${names.join('\n')}\n` }
}

function elements(row: Record<string, string | number | boolean>): string {
  return Object.entries(row)
    .map(([name, value]) => `<${name}>${escapeMarkup(String(value))}</${name}>`)
    .join('')
}

/** A version as Swift writes it: seconds and five digits; we keep six, so that it names one version exactly. */
export function versionText(version: number): string {
  return `${Math.floor(version / 1_000_000)}.${String(version % 1_000_000).padStart(6, '0')}`
}
/** Throws 400. */
export function readVersion(text: string): number {
  const match = /^(\d{1,11})\.(\d{5,6})$/.exec(text)
  if (!match) refuse(400, `Invalid version ID: ${text}`)
  return Number(match[1]) * 1_000_000 + Number(match[2]!.padEnd(6, '0'))
}
