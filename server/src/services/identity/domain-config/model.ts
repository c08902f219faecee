import { and, type Db, eq, inArray, isNull, jsonb, pgTable, primaryKey, sql, text, type Tx } from '#lib/db.ts'
import { bug, conflict, forbidden, notFound } from '#lib/fault.ts'
import { type Key, readKeys } from '#lib/key-ring.ts'
import { openText, sealText } from '#lib/sealed.ts'
import { group as groups, user } from '../model.ts'
import { isGroup, isOption, isSecret } from './options.ts'

const domainConfig = pgTable(
  'domain_config',
  {
    domainId: text('domain_id').notNull(),
    group: text('option_group').notNull(),
    option: text().notNull(),
    value: jsonb().notNull(),
  },
  (t) => [primaryKey({ columns: [t.domainId, t.group, t.option] })],
)

/** group → option → value. */
export type DomainConfig = Record<string, Record<string, unknown>>
export interface Part {
  group?: string | undefined
  option?: string | undefined
}

const within = (domainId: string, { group, option }: Part) =>
  and(
    eq(domainConfig.domainId, domainId),
    group === undefined ? undefined : eq(domainConfig.group, group),
    option === undefined ? undefined : eq(domainConfig.option, option),
  )

/** Throws forbidden for a group or option that a domain cannot have of its own. */
export function requirePart({ group, option }: Part): void {
  if (group !== undefined && !isGroup(group)) forbidden(`Group ${group} is not supported for a domain.`)
  if (group !== undefined && option !== undefined && !isOption(group, option))
    forbidden(`Option ${option} in group ${group} is not supported for a domain.`)
}
export function requireConfig(config: DomainConfig): void {
  if (Object.keys(config).length === 0) forbidden('No options specified.')
  for (const [group, options] of Object.entries(config)) {
    requirePart({ group })
    if (Object.keys(options).length === 0) forbidden(`Group ${group} has no options.`)
    for (const option of Object.keys(options)) requirePart({ group, option })
  }
}

/** What is set, without secrets. Throws notFound when nothing is. */
export async function getConfig(db: Db, domainId: string, part: Part): Promise<DomainConfig> {
  const rows = await db.select().from(domainConfig).where(within(domainId, part))
  const config: DomainConfig = {}
  for (const { group, option, value } of rows)
    if (!isSecret(group, option)) config[group] = { ...config[group], [option]: value }
  if (Object.keys(config).length === 0)
    notFound('Domain configuration', [domainId, part.group, part.option].filter(Boolean).join('/'))
  return config
}

/** Sets these options and leaves the others. */
export async function setConfig(tx: Tx, domainId: string, config: DomainConfig): Promise<void> {
  await tx.publish('directories', domainId)
  const [key] = await readKeys(tx, 'credential')
  for (const [group, options] of Object.entries(config)) {
    for (const [option, given] of Object.entries(options)) {
      const value = isSecret(group, option)
        ? {
            serial: (key ?? bug('there is no credential key')).serial,
            sealed: sealText(JSON.stringify(given), `${domainId}/${group}/${option}`, key!).toString('base64'),
          }
        : given
      // as text: the driver would send a truth value as one of SQL's, which is no JSON
      const json = sql`${JSON.stringify(value ?? null)}::text::jsonb`
      await tx
        .insert(domainConfig)
        .values({ domainId, group, option, value: json })
        .onConflictDoUpdate({
          target: [domainConfig.domainId, domainConfig.group, domainConfig.option],
          set: { value: json },
        })
    }
  }
}

/** Whether anything of that part is set, secrets included. */
export async function hasConfig(db: Db, domainId: string, part: Part): Promise<boolean> {
  const rows = await db
    .select({ option: domainConfig.option })
    .from(domainConfig)
    .where(within(domainId, part))
    .limit(1)
  return rows.length > 0
}

export async function removeConfig(tx: Tx, domainId: string, part: Part): Promise<void> {
  await tx.publish('directories', domainId)
  await tx.delete(domainConfig).where(within(domainId, part))
}

function openSecret(keys: readonly Key[], path: string, value: unknown): unknown {
  const { serial, sealed } = value as { serial: number; sealed: string }
  const key = keys.find((each) => each.serial === serial) ?? bug(`the key of the option ${path} is gone`)
  return JSON.parse(openText(Buffer.from(sealed, 'base64'), path, key))
}

/** The driver whose users and groups a directory keeps. */
const directoryDriver = 'ldap'

/** The configuration of each domain that has a directory, secrets included. */
export async function readDirectoryConfigs(db: Db): Promise<Map<string, DomainConfig>> {
  const ids = db
    .select({ id: domainConfig.domainId })
    .from(domainConfig)
    .where(
      and(
        eq(domainConfig.group, 'identity'),
        eq(domainConfig.option, 'driver'),
        eq(domainConfig.value, directoryDriver),
      ),
    )
  const rows = await db.select().from(domainConfig).where(inArray(domainConfig.domainId, ids))
  const configs = new Map<string, DomainConfig>()
  if (rows.length === 0) return configs
  const keys = await readKeys(db, 'credential')
  for (const { domainId, group, option, value } of rows) {
    const config = configs.get(domainId) ?? {}
    const opened = isSecret(group, option) ? openSecret(keys, `${domainId}/${group}/${option}`, value) : value
    configs.set(domainId, { ...config, [group]: { ...config[group], [option]: opened } })
  }
  return configs
}

/** A domain's users are its own or a directory's, never both. Throws forbidden or conflict. */
export async function requireDirectoryFits(db: Db, domainId: string, wanted: DomainConfig): Promise<void> {
  if (wanted['identity']?.['driver'] !== directoryDriver) return
  if (domainId === 'default') forbidden('The default domain keeps its own users: give a directory a domain of its own.')
  for (const table of [user, groups]) {
    const [own] = await db
      .select({ id: table.id })
      .from(table)
      .where(and(eq(table.domainId, domainId), isNull(table.localId)))
      .limit(1)
    if (own) conflict(`The domain ${domainId} has users or groups of its own: a directory needs a domain without them.`)
  }
}

/** Seals the secrets again with the newest key. Returns how many. */
export async function resealConfig(tx: Tx): Promise<number> {
  const keys = await readKeys(tx, 'credential')
  let count = 0
  // locked, or a secret that is set at this moment would be set back
  for (const { domainId, group, option, value } of await tx.select().from(domainConfig).for('update')) {
    if (!isSecret(group, option)) continue
    const opened = openSecret(keys, `${domainId}/${group}/${option}`, value)
    await setConfig(tx, domainId, { [group]: { [option]: opened } })
    count++
  }
  return count
}
