// What a project holds in the store and what it asked of it: for its members, and for those who write bills.
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { flushUse, inventory, listRequestUse } from './metering.ts'

const dayMs = 86_400_000
const longestDays = 92

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/usage',
    policy: 'authenticated',
    async handle(req) {
      const projectId = one(req.query, 'project_id') ?? req.actor.projectId ?? ''
      req.require('account:read', { project_id: projectId })
      const { from, to } = readTimes(req)
      const whose = { region: req.region, projectId }
      await flushUse(req.world)
      const [stored, requests] = await Promise.all([inventory(req.db, whose), listRequestUse(req.db, whose, from, to)])
      return {
        usage: {
          project_id: projectId,
          from: from.toISOString(),
          to: to.toISOString(),
          stored: stored.map((each) => ({
            container: each.container,
            storage_class: each.storageClass,
            objects: each.objects,
            bytes: each.bytes,
            older_versions: each.olderVersions,
            older_bytes: each.olderBytes,
          })),
          requests: requests.map((each) => ({
            container: each.container,
            hour: each.hour.toISOString(),
            operation: each.operation,
            requests: each.requests,
            bytes_in: each.bytesIn,
            bytes_out: each.bytesOut,
          })),
        },
      }
    },
  }),
]

function readTimes(req: Request): { from: Date; to: Date } {
  const read = (name: string, usual: number) => {
    const text = one(req.query, name)
    const time = text === undefined ? new Date(usual) : new Date(text)
    return Number.isNaN(time.getTime()) ? invalid(`${name} must be a time like 2026-11-01T00:00:00Z.`) : time
  }
  const to = read('to', Date.now() + 3_600_000)
  const from = read('from', to.getTime() - dayMs)
  if (to.getTime() - from.getTime() > longestDays * dayMs) invalid(`Ask for at most ${longestDays} days at once.`)
  return { from, to }
}
