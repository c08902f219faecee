// Moves between hosts and flavors: refused, but first for whatever else would refuse them.
import { Type } from 'typebox'
import { conflict, invalid } from '#lib/fault.ts'
import { action } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Server } from './model.ts'
import { flavorOf } from './requests.ts'
import { requireUnlocked } from './routes.ts'
import { Nothing } from './schema.ts'
import { words } from './states.ts'
import { serverTarget } from './target.ts'

export const noMoves = 'Servers cannot be moved between hosts or flavors in this cloud yet.'

function requireResting(row: Pick<Server, 'id' | 'state'>, verb: string): void {
  if (row.state !== 'active' && row.state !== 'stopped')
    conflict(`Cannot '${verb}' instance ${row.id} while it is in vm_state ${words[row.state].vm}.`)
}

export const resizeAction = action({
  policy: 'os_compute_api:servers:resize',
  body: strict({
    flavorRef: Type.Union([Type.String({ minLength: 1, maxLength: 1024 }), Type.Integer()]),
    'OS-DCF:diskConfig': Type.Optional(Type.Enum(['AUTO', 'MANUAL'])),
  }),
  target: serverTarget,
  async handle(req, row) {
    requireUnlocked(row, req.actor.isAdmin)
    const { id, vcpus, ramMb } = await flavorOf(req, String(req.body.flavorRef))
    if (id === row.flavorId) invalid('When resizing, instances must change flavor!')
    const more = { cores: Math.max(0, vcpus - row.vcpus), ram: Math.max(0, ramMb - row.ramMb) }
    const scope = { service: 'compute', region: row.region, projectId: row.projectId }
    await req.db.transaction((tx) => requireQuota(tx, scope, more))
    requireResting(row, 'resize')
    return invalid(noMoves)
  },
})

export const migrateAction = action({
  policy: 'os_compute_api:os-migrate-server:migrate',
  body: Nothing,
  target: serverTarget,
  async handle({ actor }, row) {
    requireUnlocked(row, actor.isAdmin)
    requireResting(row, 'migrate')
    return invalid(noMoves)
  },
})
