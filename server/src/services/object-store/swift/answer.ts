// What Swift answers: a status, headers that say most of it, and short bodies.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { Fault, type FaultKind } from '#lib/fault.ts'
import { statusNames } from '#lib/http/status.ts'
import type { Pieces } from '#lib/pieces.ts'

export interface Answer {
  status: number
  headers: Record<string, string>
  body?: Buffer | string | Readable | Pieces
}

const kindOf: Record<number, FaultKind> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'notFound',
  405: 'methodNotAllowed',
  406: 'notAcceptable',
  409: 'conflict',
  412: 'preconditionFailed',
  413: 'tooLarge',
  416: 'badRange',
  501: 'notImplemented',
  503: 'unavailable',
}

/** Ends the request with this status; the text is for its reader. */
export function refuse(status: number, text = statusNames[status] ?? ''): never {
  throw new Fault(kindOf[status] ?? 'invalid', text, { code: String(status) })
}

/** The status of a Fault in Swift's view: the one that `refuse` gave it, or that of its kind. */
export function statusOfFault(fault: Fault, usual: number): number {
  return fault.code !== undefined && /^[345]\d\d$/.test(fault.code) ? Number(fault.code) : usual
}

/** Swift's transaction id: tx, 21 hex digits, the time in 10. */
export function transactionId(): string {
  const seconds = Math.floor(Date.now() / 1000)
  // of the random bits that Node has in store
  return `tx${randomUUID().replaceAll('-', '').slice(0, 21)}-${seconds.toString(16).padStart(10, '0')}`
}

const htmlEntities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
export function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"']/g, (found) => htmlEntities[found]!)
}

export function errorPage(status: number, text: string): string {
  return `<html><h1>${statusNames[status] ?? status}</h1><p>${escapeMarkup(text)}</p></html>`
}

/** Text as header bytes, and header bytes as text: HTTP carries UTF-8 here, Node speaks latin1. */
export function toHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
export function fromHeader(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  return Buffer.from(Array.isArray(value) ? value.join(', ') : value, 'latin1').toString('utf8')
}

/** `1700000000.00000` */
export function timestampOf(time: Date): string {
  return (time.getTime() / 1000).toFixed(5)
}
/** HTTP dates have no fraction; Swift rounds up, so that what was read is never older than its date says. */
export function httpDate(time: Date): string {
  return new Date(Math.ceil(time.getTime() / 1000) * 1000).toUTCString()
}
/** `2026-11-21T04:00:00.000000`, as listings write it. */
export function listDate(time: Date): string {
  return time.toISOString().replace('Z', '000')
}
