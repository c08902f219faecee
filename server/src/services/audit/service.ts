import { Readable } from 'node:stream'
import { invalid, notFound } from '#lib/fault.ts'
import { many, nextUrl, one, readPage } from '#lib/http/page.ts'
import { reply, type Request, route, type Service } from '#lib/http/route.ts'
import { admin, policies, projectReader } from '#lib/policy.ts'
import { cadfOf, csvColumns, csvOf } from './cadf.ts'
import { allRecords, listRecords, whereOf } from './events.ts'
import type { Recorder } from './recorder.ts'
import { findRecord, type Noted, verify } from './verify.ts'

const rules = policies({
  'audit:list': projectReader,
  'audit:list_all': admin,
  'audit:get': projectReader,
  'audit:verify': admin,
})

const exports = {
  csv: { type: 'text/csv; charset=utf-8; header=present', head: `${csvColumns.join(',')}\r\n` },
  jsonl: { type: 'application/x-ndjson', head: '' },
} as const

function exported(req: Request, format: string) {
  if (!Object.hasOwn(exports, format)) invalid(`The format '${format.slice(0, 20)}' is none of json, csv, jsonl.`)
  const { type, head } = exports[format as keyof typeof exports]
  const where = whereOf(req)
  const line: typeof csvOf =
    format === 'csv' ? csvOf : (record, viewer) => `${JSON.stringify(cadfOf(record, viewer))}\n`
  async function* lines() {
    if (head !== '') yield head
    for await (const rows of allRecords(req.db, where)) {
      if (req.signal.aborted) return
      yield rows.map((row) => line(row, req.actor)).join('')
    }
  }
  return reply({
    body: Readable.from(lines(), { objectMode: false }),
    headers: { 'content-type': type, 'content-disposition': `attachment; filename="audit.${format}"` },
  })
}

function readMarker(req: Request): number | undefined {
  const marker = one(req.query, 'marker')
  if (marker === undefined) return undefined
  return /^\d{1,15}$/.test(marker) ? Number(marker) : invalid('The marker is the seq of a record.')
}

/** `SEQ:HASH`, as `audit verify` prints it. */
function readNoted(text: string): Noted {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  return hash === undefined
    ? invalid(`A noted head is SEQ:HASH, not '${text.slice(0, 90)}'.`)
    : { seq: Number(seq), hash }
}

export function auditService(recorder: Pick<Recorder, 'flush'>): Service {
  return {
    name: 'audit',
    mount: '/audit',
    prefix: '',
    regional: false,
    catalog: [{ type: 'audit', name: 'pileus-audit', path: '/audit' }],
    uuidParams: true,
    policies: rules,
    envelope: (fault, status) => ({ body: { error: { code: status, message: fault.message } } }),
    routes: [
      route({
        method: 'GET',
        path: '/events',
        policy: 'audit:list',
        async handle(req) {
          const format = one(req.query, 'format') ?? 'json'
          if (format !== 'json') return exported(req, format)
          const { limit } = readPage(req.query, { sortable: {}, defaultSort: [], defaultLimit: 100 })
          const before = readMarker(req)
          const rows = await listRecords(req.db, whereOf(req), { limit: limit + 1, before })
          const shown = rows.slice(0, limit)
          const last = shown.at(-1)
          return {
            events: shown.map((row) => cadfOf(row, req.actor)),
            ...(rows.length > limit && last && { next: nextUrl(req, String(last.seq)) }),
          }
        },
      }),
      route({
        method: 'GET',
        path: '/events/:id',
        policy: 'audit:get',
        async target(req) {
          const id = req.params['id'] ?? ''
          const found = await findRecord(req.db, id)
          return found && (found.projectId === req.actor.projectId || req.allows('audit:list_all'))
            ? found
            : notFound('Audit event', id)
        },
        policyTarget: ({ projectId }) => ({ project_id: projectId }),
        handle: async (req, record) => ({ event: cadfOf(record, req.actor) }),
      }),
      route({
        method: 'GET',
        path: '/verify',
        policy: 'audit:verify',
        async handle(req) {
          const noted = many(req.query, 'head').map(readNoted)
          await recorder.flush() // what this process knows of belongs to the trail
          const { ok, checked, first, head, broken = null } = await verify(req.db, noted)
          return { ok, checked, first, head, broken }
        },
      }),
    ],
  }
}
