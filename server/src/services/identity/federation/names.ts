import { invalid } from '#lib/fault.ts'

/** An id that its owner chose: it stands in the path. Throws invalid. */
export function requireOwnId(id: string): string {
  if (id.length > 64 || !/^[\w.~@:+-]+$/.test(id))
    invalid(`The id '${id.slice(0, 80)}' must be 1 to 64 letters, digits or characters of ._~@:+-.`)
  return id
}
