// What S3 answers: a status, headers, and XML or bytes.
import type { Pieces } from '#lib/pieces.ts'
import { type Content, document } from './xml.ts'

export interface Answer {
  status: number
  headers: Record<string, string>
  body?: Buffer | string | Pieces
}

export function xmlAnswer(root: string, content: Content, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers: { 'Content-Type': 'application/xml', ...headers }, body: document(root, content) }
}

/** `2026-11-21T04:00:00.000Z`, as S3's documents write times. */
export function isoTime(time: Date): string {
  return time.toISOString()
}

export const quoted = (etag: string) => `"${etag}"`

/** A project owns what is in it. */
export function owner(projectId: string): { ID: string; DisplayName: string } {
  return { ID: projectId, DisplayName: projectId }
}
