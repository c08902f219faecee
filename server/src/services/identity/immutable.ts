import { forbidden } from '#lib/fault.ts'

interface Guarded {
  id: string
  options: Record<string, unknown>
}

/** Throws forbidden for what was made immutable, unless all that changes is that it no longer is. */
export function requireMutable(noun: string, row: Guarded, change?: { options?: Record<string, unknown> }): void {
  if (row.options['immutable'] !== true) return
  const lifts =
    change !== undefined &&
    Object.keys(change).length === 1 &&
    change.options !== undefined &&
    'immutable' in change.options &&
    change.options['immutable'] !== true
  if (!lifts) {
    forbidden(
      `Cannot ${change ? 'change' : 'delete'} the ${noun} ${row.id}: it is immutable. Take that option from it first.`,
    )
  }
}
