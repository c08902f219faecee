// One connection to an LDAP server: TCP, TLS as the settings ask for it, then the sign-in of the service's own account.
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp, isIP } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { Client } from 'ldapts'
import type { Log } from '#lib/log.ts'
import type { LdapSettings } from './settings.ts'

export interface Connection {
  client: Client
  /** False once its socket has closed: the library would then connect anew, without TLS and without an account. */
  isOpen(): boolean
  close(): void
}

/** The first server that answers. Throws what the last one said. */
export async function openConnection(settings: LdapSettings, log: Log, signsIn: boolean): Promise<Connection> {
  let reason: unknown
  for (const url of settings.urls) {
    try {
      return await openAt(settings, url, log, signsIn)
    } catch (error) {
      reason = error
    }
  }
  throw reason
}

async function openAt(settings: LdapSettings, url: string, log: Log, signsIn: boolean): Promise<Connection> {
  const { hostname, protocol, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '') || 'localhost'
  const secure = protocol === 'ldaps:'
  const tls = tlsOptions(settings, host)
  const trusted = (socket: TLSSocket) => {
    if (settings.checkCertificate === 'allow' && !socket.authorized)
      log.warn({ url, reason: String(socket.authorizationError) }, "the directory's certificate cannot be trusted")
  }
  const at = { host, port: Number(port) || (secure ? 636 : 389) }
  const socket = secure ? connectTls({ ...tls, ...at }) : connectTcp(at)
  let open = true
  socket.once('close', () => {
    open = false
  })
  // a second connection of the same client would be one without its account, and without StartTLS: there is none
  let taken = false
  const onlyOnce = () => {
    if (taken) throw new Error('the connection to the directory has closed')
    taken = true
    return socket
  }
  const client = new Client({
    url,
    timeout: settings.answerMs,
    createConnection: onlyOnce as typeof connectTcp,
    createSecureConnection: ((how: ConnectionOptions | number) => {
      if (typeof how === 'number') return onlyOnce()
      const upgraded = connectTls({ ...tls, ...how })
      return upgraded.once('secureConnect', () => trusted(upgraded))
    }) as typeof connectTls,
    ...(secure && { tlsOptions: tls }),
  })
  const close = () => {
    open = false
    client.unbind().catch(() => {
      // it is closed, which is what was asked for
    })
    socket.destroy()
  }
  try {
    await within(settings.connectMs, () => once(socket, secure ? 'secureConnect' : 'connect'))
    if (secure) trusted(socket as TLSSocket)
    // whatever happens to it before the client has it is heard by whoever uses it
    socket.on('error', () => {})
    await within(settings.answerMs, async () => {
      if (settings.startTls && !secure) await client.startTLS({ host })
      if (signsIn && settings.account) await client.bind(settings.account.dn, settings.account.password)
    })
  } catch (error) {
    close()
    throw error
  }
  return { client, isOpen: () => open, close }
}

function tlsOptions(settings: LdapSettings, host: string): ConnectionOptions {
  const ca = trusted(settings)
  return {
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca && { ca }),
    rejectUnauthorized: settings.checkCertificate === 'demand',
    minVersion: 'TLSv1.2',
  }
}

/** undefined: whatever Node trusts. Read each time, so that a new certificate needs no restart. */
function trusted({ caFile, caDir }: LdapSettings): string[] | undefined {
  if (caFile === undefined && caDir === undefined) return undefined
  const files = caFile === undefined ? [] : [caFile]
  if (caDir !== undefined)
    for (const file of readdirSync(caDir, { withFileTypes: true }))
      if (!file.isDirectory()) files.push(join(caDir, file.name))
  return files.map((file) => readFileSync(file, 'utf8')).filter((text) => text.includes('-----BEGIN CERTIFICATE-----'))
}

async function within<Result>(ms: number, work: () => Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}
