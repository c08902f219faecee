/** A host name made of a display name (RFC 1123, one label): what cannot stand in it becomes a dash. */
export function serverHostname(name: string, id: string): string {
  const label = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[\s_]/g, '-')
    .replaceAll(/[^a-z0-9.-]/g, '')
    .replaceAll('.', '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
    .replaceAll(/-+$/g, '')
  return label || `server-${id}`
}
