// The only file that knows all services and all clouds.
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { CloudReports } from './clouds/cloud.ts'
import { kvmCloud } from './clouds/kvm/index.ts'
import { type SimCloud, simCloud } from './clouds/sim/index.ts'
import type { Config } from '#lib/config.ts'
import type { Database } from '#lib/db.ts'
import { subscribe } from '#lib/event.ts'
import { Fault } from '#lib/fault.ts'
import type { Service } from '#lib/http/route.ts'
import { makeServer } from '#lib/http/serve.ts'
import type { Log } from '#lib/log.ts'
import { renderMetrics } from '#lib/metrics.ts'
import { registerQuotas } from '#lib/quota.ts'
import { taskService } from '#lib/tasks-api.ts'
import type { Drivers, World } from '#lib/world.ts'
import {
  accessKeys,
  bootstrap,
  findUserIdByName,
  identityService,
  keepCatalogFresh,
  makeDirectories,
  openLdapDirectory,
  setPasswordConcurrency,
  type TokenReader,
  tokenReader,
} from '#identity'
import { auditService, makeRecorder, pruneAudit, type Recorder } from '#audit'
import { computeReports, computeService, purgeServers, releaseOrphans, removeOrphanMachines } from '#compute'
import { imageService, openImage, sweepImages } from '#image'
import { networkReports, networkService } from '#network'
import {
  closeS3Server,
  flushUse,
  makeS3Server,
  objectKeyService,
  objectStoreService,
  startSweeping,
  swiftInfo,
} from '#object-store'
import { placementService } from '#placement'
import { policyCheckService } from '#policy-check'

export interface App {
  world: World
  server: FastifyInstance
  /** The S3 API, which has an address of its own. */
  s3: Server
  services: readonly Service[]
  tokens: TokenReader
  /** The audit trail: what requests told is written a moment later, or by `flush`. */
  audit: Recorder
  /** The simulated cloud, where the region's hosts are simulated. */
  sim: SimCloud | undefined
  /** Bootstraps an empty, migrated database. */
  prepare(): Promise<void>
  /** Begins what runs beside requests: hosts are announced, agents are let in. Before listening. */
  start(): Promise<void>
  close(): Promise<void>
}

const retentionEveryMs = 3_600_000
const orphansEveryMs = 60_000

/** Everything of one process, not yet listening and with no worker. */
export function makeApp(db: Database, config: Config, log: Log): App {
  const reports: CloudReports = { compute: computeReports, network: networkReports }
  const sim = config.simHosts > 0 ? simCloud({ db, config, log }, reports) : undefined
  const imageOf = (id: string) => openImage(world, config.region, id)
  const cloud = sim ?? kvmCloud({ db, config, log }, { ...reports, openImage: imageOf })
  const drivers: Drivers = { ...cloud.drivers }
  const world: World = {
    db,
    config,
    log,
    directories: makeDirectories(db, log, openLdapDirectory),
    drivers(region) {
      if (region !== config.region) throw new Fault('notFound', `Region ${region} could not be found.`)
      return drivers
    },
  }
  setPasswordConcurrency(config.passwordConcurrency)
  keepCatalogFresh(world)
  const tokens = tokenReader(world)
  const audit = makeRecorder(db, log, (asked) => findUserIdByName(db, asked))
  const services: Service[] = [
    identityService(tokens, config),
    imageService,
    placementService,
    networkService,
    computeService,
    objectStoreService,
    objectKeyService,
    taskService,
    auditService(audit),
    policyCheckService({
      services: () => services,
      config,
      async actorOf(userId, projectId) {
        const now = Date.now()
        const scope = { kind: 'project', id: projectId } as const
        return (
          await tokens.resolve(db, { userId, scope, methods: [], auditIds: [], issuedAtMs: now, expiresAtMs: now })
        ).actor
      },
    }),
    ...(cloud.service ? [cloud.service] : []),
  ]
  for (const service of services) {
    if (service.quotas) registerQuotas(service.name, service.quotas)
    if (service.subscriptions) subscribe(service.subscriptions)
  }
  const server = makeServer({
    world,
    services,
    authenticate: async (token) => (await tokens.read(token)).actor,
    knowsRegion: () => false,
    audit,
  })
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_req, res) => {
    const answers = await db.ping().then(
      () => true,
      () => false,
    )
    // the reply is a promise of its own end, so nothing in here may wait for it
    if (!answers) void res.code(503)
    return { status: answers ? 'ok' : 'the database does not answer' }
  })
  // where Swift's clients look for what the store can do
  server.get('/info', async () => swiftInfo(world))
  server.get('/metrics', async (_req, res) => {
    const { type, text } = await renderMetrics()
    return res.header('content-type', type).send(text)
  })
  const s3 = makeS3Server({ world, keys: accessKeys(world), audit })
  let stopSweeping: (() => Promise<void>) | undefined
  let orphans: NodeJS.Timeout | undefined
  let looking = Promise.resolve()
  const lookForOrphans = async () => {
    try {
      const released = await releaseOrphans(db, config.region)
      if (released.length > 0) log.warn({ servers: released }, 'claims of servers that are gone were given back')
      const removed = await removeOrphanMachines(db, drivers.compute, config.region, AbortSignal.timeout(30_000))
      if (removed.length > 0) log.warn({ servers: removed }, 'machines of servers that are gone are being removed')
    } catch (error) {
      log.warn({ err: error }, 'could not look for what servers that are gone have left')
    }
    await sweepImages(world).catch((error: unknown) => log.warn({ err: error }, 'could not sweep the images'))
  }
  let retention: NodeJS.Timeout | undefined
  const prune = async () => {
    await pruneAudit(db, config.auditDays).catch((error: unknown) => log.warn({ err: error }, 'audit retention failed'))
    await purgeServers(db, config.region, config.keepDeletedDays).catch((error: unknown) =>
      log.warn({ err: error }, 'could not remove the rows of servers that were deleted long ago'),
    )
  }
  return {
    world,
    server,
    s3,
    services,
    tokens,
    audit,
    sim,
    async start() {
      await cloud.start(server)
      if (config.role === 'api') return
      stopSweeping = startSweeping(world)
      retention = setInterval(() => void prune(), retentionEveryMs).unref()
      const look = () => {
        looking = lookForOrphans()
      }
      orphans = setInterval(look, orphansEveryMs).unref()
    },
    prepare: () => bootstrap(db.transaction, { services, region: config.region, adminPassword: config.adminPassword }),
    async close() {
      await stopSweeping?.()
      clearInterval(orphans)
      await looking
      clearInterval(retention)
      await cloud.close()
      await closeS3Server(s3)
      await server.close()
      await world.directories.close()
      await flushUse(world).catch((error: unknown) => log.warn({ err: error }, 'some use of the object store is lost'))
      await audit.close()
      await db.close()
    },
  }
}
