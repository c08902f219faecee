// Distinguished names (RFC 4514), as far as they have to be compared.
const backslash = 0x5c
const comma = 0x2c

/** The parts of a DN with their escapes undone. */
function partsOf(dn: string): string[] {
  const parts: string[] = []
  let part: number[] = []
  const bytes = Buffer.from(dn)
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === backslash && i + 1 < bytes.length) {
      const hex = bytes.subarray(i + 1, i + 3).toString('latin1')
      const coded = /^[0-9a-f]{2}$/i.test(hex)
      part.push(coded ? Number.parseInt(hex, 16) : bytes[i + 1]!)
      i += coded ? 2 : 1
    } else if (byte === comma) {
      parts.push(Buffer.from(part).toString('utf8'))
      part = []
    } else part.push(byte)
  }
  parts.push(Buffer.from(part).toString('utf8'))
  return dn.trim() === '' ? [] : parts
}

/** As directories compare it: without regard to case and to blanks around names and values. */
const alike = (part: string) => {
  const [attribute = '', ...value] = part.split('=')
  return `${attribute.trim()}=${value.join('=').trim()}`.toLowerCase()
}

/** The same for every way to write a DN. */
export const dnKey = (dn: string): string => JSON.stringify(partsOf(dn).map(alike))

/** Whether an entry is in a tree, its root included. */
export function isWithin(dn: string, tree: string): boolean {
  const parts = partsOf(dn).map(alike)
  const root = partsOf(tree).map(alike)
  return parts.length >= root.length && root.every((part, i) => part === parts[parts.length - root.length + i])
}

/** The value of the first part, if it is of that attribute. */
export function firstValue(dn: string, attribute: string): string | undefined {
  const [name = '', ...value] = (partsOf(dn)[0] ?? '').split('=')
  return name.trim().toLowerCase() === attribute.toLowerCase() ? value.join('=').trim() : undefined
}
