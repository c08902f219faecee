/** One line of a table; figures are rounded to what is worth reading. */
export interface Line {
  what: string
  unit: string
  ours: number | undefined
  target: number | undefined
  openstack: number | undefined
  /** The target is what it should be at least. */
  isLeast?: boolean
}
export type Note = (line: Line) => void

export function table(lines: Line[]): string {
  const rows = lines.map(({ what, unit, ours, target, openstack, isLeast = false }) => [
    what,
    figureOf(ours, unit),
    target === undefined ? '' : `${isLeast ? '≥' : '≤'} ${target} ${unit}`.trim(),
    openstack === undefined ? '' : figureOf(openstack, unit),
    openstack === undefined || !ours ? '' : figureOf(openstack / ours, '×'),
  ])
  const head = ['', 'Pileus', 'target', 'OpenStack', 'ratio']
  return [head, ['---', '--:', '--:', '--:', '--:'], ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

export function figureOf(value: number | undefined, unit: string): string {
  if (value === undefined) return '–'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })} ${unit}`.trim()
}
