// A record in CADF's form (DMTF DSP0262, "Cloud Auditing Data Federation data format").
import type { Actor } from '#lib/actor.ts'
import type { AuditRecord } from './model.ts'

const typeURI = 'http://schemas.dmtf.org/cloud/audit/1.0/event'

/** `viewer`: whoever may see a project's records only is not told the address of someone from elsewhere. */
export function cadfOf(record: AuditRecord, viewer: Pick<Actor, 'isAdmin' | 'projectId'>): Record<string, unknown> {
  const isOwn = viewer.isAdmin || record.initiatorProjectId === viewer.projectId
  return {
    typeURI,
    id: record.id,
    eventType: record.action.startsWith('authenticate') ? 'control' : 'activity',
    eventTime: record.at.toISOString(),
    action: record.action,
    outcome: record.outcome,
    reason: {
      reasonType: record.status > 0 ? 'HTTP' : 'PILEUS',
      reasonCode: String(record.status),
      ...(record.reason !== null && { policyType: record.reason }),
    },
    initiator: {
      typeURI: 'service/security/account/user',
      id: record.userId ?? 'unknown',
      ...(record.initiatorProjectId !== null && { project_id: record.initiatorProjectId }),
      ...(record.address !== null && isOwn && { host: { address: record.address } }),
      ...(record.requestId !== null && { request_id: record.requestId }),
    },
    target: {
      typeURI: record.targetType,
      id: record.targetId ?? 'unknown',
      ...(record.projectId !== null && { project_id: record.projectId }),
      ...(record.region !== null && { geolocationId: record.region }),
    },
    observer: { typeURI: `service/${record.service}`, id: record.service, name: record.service },
    attachments: [
      { typeURI: 'pileus/chain', name: 'chain', content: { seq: record.seq, hash: record.hash } },
      ...(record.attempts > 1 ? [{ typeURI: 'pileus/attempts', name: 'attempts', content: record.attempts }] : []),
      ...(record.details === null
        ? []
        : [{ typeURI: 'pileus/details', name: 'details', content: JSON.parse(record.details) as unknown }]),
    ],
  }
}

export const csvColumns = [
  ...['seq', 'id', 'eventTime', 'service', 'action', 'outcome', 'status', 'reason', 'attempts', 'user_id'],
  ...['initiator_project_id', 'address', 'project_id', 'target_type', 'target_id', 'region', 'request_id', 'hash'],
] as const

/** One line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe. */
export function csvOf(record: AuditRecord, viewer: Pick<Actor, 'isAdmin' | 'projectId'>): string {
  const isOwn = viewer.isAdmin || record.initiatorProjectId === viewer.projectId
  const cells = [
    ...[record.seq, record.id, record.at.toISOString(), record.service, record.action, record.outcome, record.status],
    ...[record.reason, record.attempts, record.userId, record.initiatorProjectId, isOwn ? record.address : null],
    ...[record.projectId, record.targetType, record.targetId, record.region, record.requestId, record.hash],
  ]
  return `${cells.map(cell).join(',')}\r\n`
}

function cell(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
