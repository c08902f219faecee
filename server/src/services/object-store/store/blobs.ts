// Which blobs are somebody's: counted, so that copies share them.
import { eq, sql, type Tx } from '#lib/db.ts'
import { Fault, unavailable } from '#lib/fault.ts'
import { sealedSize } from '../encryption/format.ts'
import { type Extent, objectBlob, objectGarbage } from '../model.ts'

// in one order everywhere, so that two copies never wait for each other
const inOrder = (extents: Extent[]) => extents.toSorted((a, b) => (a.blob < b.blob ? -1 : 1))

/** One more object refers to these. `shared`: others do already. Throws conflict when those have let go meanwhile. */
export async function holdBlobs(tx: Tx, extents: Extent[], shared: boolean): Promise<void> {
  if (!shared) {
    const rows = extents.map(({ blob, size, backend, sealed }) => {
      return { id: blob, size: sealed ? sealedSize(size) : size, backend, refs: 1 }
    })
    const held = await tx.insert(objectBlob).values(rows).onConflictDoNothing().returning({ id: objectBlob.id })
    // the sweeper took it for a killed writer's and keeps the id: better no object than one without its bytes
    if (held.length < rows.length) unavailable('It took too long until the object could be stored; try again.')
    return
  }
  for (const { blob } of inOrder(extents)) {
    const held = await tx
      .update(objectBlob)
      .set({ refs: sql`${objectBlob.refs} + 1` })
      .where(eq(objectBlob.id, blob))
      .returning({ id: objectBlob.id })
    if (held.length === 0) throw new Fault('conflict', 'The object was replaced while it was copied; try again.')
  }
}

/** One object less refers to these; what none refers to is garbage. */
export async function releaseBlobs(tx: Tx, extents: Extent[]): Promise<void> {
  for (const { blob, backend } of inOrder(extents)) {
    const [less] = await tx
      .update(objectBlob)
      .set({ refs: sql`${objectBlob.refs} - 1` })
      .where(eq(objectBlob.id, blob))
      .returning({ refs: objectBlob.refs })
    if (less?.refs !== 0) continue
    await tx.delete(objectBlob).where(eq(objectBlob.id, blob))
    await tx.insert(objectGarbage).values({ id: blob, backend }).onConflictDoNothing()
    tx.afterCommit(() => garbageHeard?.())
  }
}

let garbageHeard: (() => void) | undefined
/** Called, in this process, whenever there is garbage to collect; see sweep.ts. */
export function onGarbage(heard: () => void): void {
  garbageHeard = heard
}
