import type { Database, Tx } from '#lib/db.ts'

/**
 * One transaction on identity. Every process forgets, with the commit, what it knew of users, roles and scopes, so no
 * token is good for longer than what it stands for.
 */
export function change<Result>(db: Database, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  return db.transaction(async (tx) => {
    const result = await work(tx)
    await tx.publish('identity', 'changed')
    return result
  })
}
