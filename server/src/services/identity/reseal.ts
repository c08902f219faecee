// After a change of keys: what older ones sealed is sealed anew.
import { ne, type PgColumn, type PgTable, sql, type Tx } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import { readKeys } from '#lib/key-ring.ts'
import { openBytes, sealBytes } from '#lib/sealed.ts'

/** A table whose rows keep a secret each, bound to the row's id. */
interface Sealing {
  table: PgTable
  id: PgColumn
  keySerial: PgColumn
  secret: PgColumn
}

/** Seals with the newest credential key what an older one sealed in this table. Returns how many rows. */
export async function resealRows(tx: Tx, { table, id, keySerial, secret }: Sealing): Promise<number> {
  const keys = await readKeys(tx, 'credential')
  const [newest] = keys
  if (!newest) return bug('there is no credential key: the database was not prepared')
  const rows = await tx
    .select({ id: sql<string>`${id}`, serial: sql<number>`${keySerial}`, sealed: sql<Uint8Array>`${secret}` })
    .from(table)
    .where(ne(keySerial, newest.serial))
    .for('update')
  const again = rows.map((row) => {
    const key = keys.find(({ serial }) => serial === row.serial) ?? bug(`the key of the secret ${row.id} is gone`)
    const bytes = openBytes(Buffer.from(row.sealed), row.id, key)
    return { id: row.id, sealed: sealBytes(bytes, row.id, newest).toString('base64') }
  })
  await tx.rows(sql`
    update ${table} set ${sql.identifier(keySerial.name)} = ${newest.serial},
      ${sql.identifier(secret.name)} = decode(f.sealed, 'base64')
    from jsonb_to_recordset(${JSON.stringify(again)}::text::jsonb) as f (id text, sealed text)
    where ${id} = f.id`)
  return rows.length
}
