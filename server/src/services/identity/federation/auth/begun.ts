// A browser's sign-in while it is away at the provider. What we have to know when it comes back travels with it, in a cookie
// that only we can read: so no server has to remember anybody who began and never came back.
import { randomBytes } from 'node:crypto'
import { lt, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import type { Key } from '#lib/key-ring.ts'
import { openText, sealText } from '#lib/sealed.ts'

/** How long there is for it. */
export const beginningMs = 600_000

export interface Begun {
  /** Names this sign-in at the provider and comes back from there. */
  id: string
  providerId: string
  protocolId: string
  /** The dashboard that gets the token. */
  origin: string
  expiresAtMs: number
  /** What the protocol's kind has to know again. */
  own: Record<string, string>
}

export function begin(spec: Pick<Begun, 'providerId' | 'protocolId' | 'origin' | 'own'>): Begun {
  return { ...spec, id: randomBytes(16).toString('base64url'), expiresAtMs: Date.now() + beginningMs }
}

const sealedFor = (id: string) => `websso ${id}`

export function sealBegun(begun: Begun, key: Key): string {
  const sealed = sealText(JSON.stringify(begun), sealedFor(begun.id), key)
  return Buffer.concat([Buffer.of(key.serial), sealed]).toString('base64url')
}

/** undefined for what is not that sign-in's, or too old. */
export function openBegun(sealed: string, id: string, keys: readonly Key[]): Begun | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  const key = keys.find(({ serial }) => serial === bytes[0])
  if (!key || bytes.length < 29) return undefined
  try {
    const begun = JSON.parse(openText(bytes.subarray(1), sealedFor(id), key)) as Begun
    return begun.expiresAtMs > Date.now() ? begun : undefined
  } catch {
    return undefined
  }
}

const answer = pgTable('federation_answer', {
  id: text().primaryKey(),
  expiresAt: timestamp('expires_at', { withTimezone: true, mode: 'date' }).notNull(),
})

/** False when that answer of a provider was taken before. It is remembered until `expiresAt`: then it is refused for its age. */
export async function takeAnswer(tx: Tx, id: string, expiresAt: Date): Promise<boolean> {
  await tx.delete(answer).where(lt(answer.expiresAt, new Date()))
  const taken = await tx.insert(answer).values({ id, expiresAt }).onConflictDoNothing().returning()
  return taken.length > 0
}
