// Collects what requests tell and appends it to the chain in batches, beside the requests: none of them waits for it.
import type { Audit, AuditedRequest } from '#lib/audit.ts'
import type { Database } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import type { Log } from '#lib/log.ts'
import { counter } from '#lib/metrics.ts'
import { append } from './chain.ts'
import { entryOf, isSignIn } from './entry.ts'
import type { Entry } from './model.ts'

const gatherMs = 200
const mostAtOnce = 1000
const mostKept = 20_000

const lostCounter = counter(
  'audit_lost_total',
  'Audit records that were given up because the database was away too long',
)

export interface Asked {
  userName: string
  domainId: string | undefined
  domainName: string | undefined
}

export interface Recorder extends Audit {
  /** Appends all that was told until now. Throws when the database does not take it. */
  flush(): Promise<void>
  /** The same at the end; what cannot be written then is lost, and said so in the log. */
  close(): Promise<void>
}

interface Waiting {
  entry: Entry
  /** Someone failed to sign in under a name: whose it is, is looked up when the record is written. */
  asked: Asked | undefined
}

/** `findUser` answers the id of the user of that name, if there is one: a name that is nobody's is not kept. */
export function makeRecorder(
  db: Database,
  log: Log,
  findUser: (asked: Asked) => Promise<string | undefined>,
  limits: { kept?: number } = {},
): Recorder {
  const { kept = mostKept } = limits
  let waiting: Waiting[] = []
  // bad tokens, by address and target: counted while they wait, so a flood of them is one record
  let repeated = new Map<string, Entry>()
  let lost = 0
  let timer: NodeJS.Timeout | undefined
  let queue = Promise.resolve()
  let uncertain = false
  let closed = false

  const arrange = (ms: number) => {
    if (closed) return
    timer ??= setTimeout(() => {
      timer = undefined
      run().catch((error: unknown) => {
        log.warn(
          { err: error, waiting: waiting.length, lost },
          'the audit trail cannot be written; it is kept for later',
        )
        arrange(1000)
      })
    }, ms).unref()
  }

  // one at a time, so that the order of the requests is that of the chain
  const run = (): Promise<void> => {
    queue = queue.then(writeAll, writeAll)
    return queue
  }

  const writeAll = async () => {
    // one such record at most beyond what may be kept
    if (lost > 0 && waiting.length <= kept) {
      waiting.push({ entry: lossOf(lost), asked: undefined })
      lost = 0
    }
    while (waiting.length > 0) {
      repeated = new Map()
      const batch = waiting.slice(0, mostAtOnce)
      for (const { entry, asked } of batch) {
        if (asked) entry.userId = entry.targetId = (await findUser(asked)) ?? null
      }
      for (const one of batch) one.asked = undefined
      const entries = batch.map(({ entry }) => entry)
      const perhapsThere = uncertain
      uncertain = true
      await db.transaction((tx) => append(tx, entries, { perhapsThere }))
      uncertain = false
      waiting = waiting.slice(batch.length)
    }
  }

  return {
    record(request: AuditedRequest) {
      if (waiting.length >= kept) {
        lost++
        lostCounter()
        return
      }
      const entry = entryOf(request)
      const alike = request.status === 401 && !isSignIn(request) ? `${request.address} ${entry.targetType}` : undefined
      const known = alike === undefined ? undefined : repeated.get(alike)
      if (known) {
        known.attempts++
        return
      }
      if (alike !== undefined) repeated.set(alike, entry)
      const { userName, domainId, domainName, userId } = (isSignIn(request) && request.signIn) || {}
      const asked = userId === undefined && userName !== undefined ? { userName, domainId, domainName } : undefined
      waiting.push({ entry, asked })
      if (waiting.length === 1) arrange(gatherMs)
    },
    flush: run,
    async close() {
      closed = true
      clearTimeout(timer)
      await run().catch((error: unknown) => log.error({ err: error, lost: waiting.length }, 'audit records are lost'))
    },
  }
}

const lossOf = (records: number): Entry => ({
  id: newId(),
  at: new Date(),
  service: 'audit',
  action: 'update/records-lost',
  outcome: 'failure',
  status: 0,
  reason: 'unavailable',
  attempts: records,
  userId: null,
  initiatorProjectId: null,
  address: null,
  projectId: null,
  targetType: 'service/security/audit',
  targetId: null,
  region: null,
  requestId: null,
  details: null,
})
