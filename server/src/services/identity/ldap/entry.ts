// What an entry of the directory is here: which of its attributes are the name, the id, the address, and whether its user
// may sign in.
import type { Entry } from 'ldapts'
import type { DirectoryGroup, DirectoryUser } from '../directory.ts'
import { firstValue } from './dn.ts'
import type { EntrySettings, GroupSettings, UserSettings } from './settings.ts'

type Value = string | Buffer
/** By attribute, in lower case: servers write names as they like. */
export type Values = ReadonlyMap<string, readonly Value[]>

export function valuesOf(entry: Entry): Values {
  return new Map(
    Object.entries(entry)
      .filter(([name]) => name !== 'dn')
      .map(([name, value]) => [name.toLowerCase(), [value].flat()]),
  )
}

/** Attributes whose values are no text; the library is told, for some happen to look like it. */
export const binaryAttributes = ['objectGUID', 'objectSid']
const isGuid = (attribute: string) => attribute.toLowerCase() === 'objectguid'

/** An id as text: Active Directory's in its usual form, other binary ones in hexadecimal. */
export function idText(attribute: string, value: Value): string {
  if (typeof value === 'string') return value
  if (isGuid(attribute) && value.length === 16) {
    const hex = (from: number, to: number, turned = false) => {
      const part = value.subarray(from, to)
      return Buffer.from(turned ? part.toReversed() : part).toString('hex')
    }
    return [hex(0, 4, true), hex(4, 6, true), hex(6, 8, true), hex(8, 10), hex(10, 16)].join('-')
  }
  return `${binaryMark}${value.toString('hex')}`
}
const binaryMark = '#'

/** The value that a directory is asked for: the reverse of idText. */
export function idValue(attribute: string, id: string): Value {
  if (isGuid(attribute) && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    const bytes = Buffer.from(id.replaceAll('-', ''), 'hex')
    bytes.subarray(0, 4).reverse()
    bytes.subarray(4, 6).reverse()
    bytes.subarray(6, 8).reverse()
    return bytes
  }
  return id.startsWith(binaryMark) && /^#([0-9a-f]{2})+$/.test(id) ? Buffer.from(id.slice(1), 'hex') : id
}

const first = (values: Values, attribute: string | undefined): string | undefined => {
  const value = attribute === undefined ? undefined : values.get(attribute.toLowerCase())?.[0]
  const text = typeof value === 'string' ? value : value?.toString('utf8')
  return text === '' ? undefined : text
}

/** undefined for an entry without an id or a name. Of several ids, the one that the entry is filed under. */
function common(entry: Entry, settings: EntrySettings) {
  const values = valuesOf(entry)
  const ids = values.get(settings.idAttribute.toLowerCase()) ?? []
  const id = ids.length > 1 ? (firstValue(entry.dn, settings.idAttribute) ?? ids[0]) : ids[0]
  const name = first(values, settings.nameAttribute)
  if (id === undefined || id.length === 0 || name === undefined) return undefined
  const extra: Record<string, string> = {}
  for (const [theirs, ours] of settings.additional) {
    const value = first(values, theirs)
    if (value !== undefined) extra[ours] = value
  }
  return { values, localId: idText(settings.idAttribute, id), place: entry.dn, name, extra }
}

/** Whether the user is in the group of those who are enabled. */
export type Emulated = (user: { place: string; localId: string }) => boolean

/** `emulated` is given where a group decides who is enabled. */
export function userOf(
  entry: Entry,
  settings: UserSettings,
  emulated: Emulated | undefined,
): DirectoryUser | undefined {
  const found = common(entry, settings)
  if (!found) return undefined
  const { values, extra, ...rest } = found
  const { description, email, default_project_id: defaultProjectId, ...others } = extra
  return {
    ...rest,
    enabled: emulated ? emulated(rest) : isEnabled(values, settings),
    email: first(values, settings.mailAttribute) ?? email ?? null,
    description: first(values, settings.descriptionAttribute) ?? description ?? null,
    defaultProjectId: first(values, settings.defaultProjectAttribute) ?? defaultProjectId ?? null,
    extra: others,
  }
}

export function groupOf(entry: Entry, settings: GroupSettings): DirectoryGroup | undefined {
  const found = common(entry, settings)
  if (!found) return undefined
  const { values, extra, ...rest } = found
  const { description, ...others } = extra
  return { ...rest, description: first(values, settings.descriptionAttribute) ?? description ?? '', extra: others }
}

/** With a mask, a bit says that the user is disabled (Active Directory's userAccountControl: 2). */
function isEnabled(values: Values, settings: UserSettings): boolean {
  const value = first(values, settings.enabledAttribute) ?? settings.enabledDefault
  // without the attribute in the directory the default is for the mask too; a default that is no number disables nobody
  if (settings.enabledMask !== 0) return (Number.parseInt(value, 10) & settings.enabledMask) !== settings.enabledMask
  return /^(true|1|yes|on)$/i.test(value) !== settings.enabledInvert
}

export function attributesOf(settings: EntrySettings | UserSettings): string[] {
  const wanted = [
    settings.idAttribute,
    settings.nameAttribute,
    settings.descriptionAttribute,
    ...('mailAttribute' in settings
      ? [settings.mailAttribute, settings.defaultProjectAttribute, settings.enabledAttribute]
      : []),
    ...settings.additional.keys(),
  ]
  return [...new Set(wanted.filter((name) => name !== undefined))]
}
