// A real OpenLDAP server for tests: a child process on loopback with a configuration and a database of its own.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Attribute, Change, Client } from 'ldapts'

const program = '/usr/sbin/slapd'
/** A reason to skip, or false. */
export const slapdMissing = existsSync(program) ? false : "needs Debian's package slapd (./pileus test installs it)"

export const suffix = 'dc=example,dc=org'
export const account = { user: `cn=reader,${suffix}`, password: 'readers-own' }
const rootDn = `cn=admin,${suffix}`

// The shapes of Active Directory that matter here.
const adSchema = `
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL
  MAY ( sAMAccountName $ userAccountControl $ objectGUID $ mail ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL MUST cn
  MAY ( member $ sAMAccountName $ objectGUID $ description ) )
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'accountLocked' EQUALITY booleanMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2 NAME 'lockable' AUXILIARY MAY accountLocked )
`

type Attributes = Record<string, string | string[] | Buffer>

export interface Slapd {
  url: string
  tlsUrl: string
  /** The authority that signed its certificate, which is for localhost and 127.0.0.1. */
  caFile: string
  add(dn: string, attributes: Attributes): Promise<void>
  set(dn: string, attribute: string, values: string[]): Promise<void>
  remove(dn: string): Promise<void>
  /** What it was asked since the last time, a line for each operation. */
  operations(): Promise<string>
  /** The process stops answering, and goes on. */
  pause(): void
  resume(): void
  restart(): Promise<void>
  stop(): Promise<void>
}

/** `limit`: entries that it gives to one question at most. */
export async function startSlapd({ limit = 'unlimited' }: { limit?: number | 'unlimited' } = {}): Promise<Slapd> {
  const dir = mkdtempSync(join(tmpdir(), 'pileus-slapd-'))
  mkdirSync(join(dir, 'db'))
  makeCertificates(dir)
  writeFileSync(join(dir, 'ad.schema'), adSchema)
  writeFileSync(join(dir, 'slapd.conf'), configuration(dir, limit))
  // a copy: where AppArmor confines the program in its own place, it may not read what is here
  const copy = join(dir, 'slapd')
  copyFileSync(program, copy)
  const [port, tlsPort] = [await freePort(), await freePort()]
  const [url, tlsUrl] = [`ldap://127.0.0.1:${port}`, `ldaps://127.0.0.1:${tlsPort}`]
  let said = ''
  let heard = () => {}
  const launch = async () => {
    const child = spawn(copy, ['-d', '256', '-f', join(dir, 'slapd.conf'), '-h', `${url} ${tlsUrl}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      heard()
    })
    const ended = once(child, 'exit')
    const stop = async () => {
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      await ended
    }
    try {
      await Promise.race([
        Promise.all([port, tlsPort].map(reachable)),
        ended.then(() => {
          throw new Error(`slapd ended:\n${said}`)
        }),
      ])
    } catch (error) {
      await stop()
      throw error
    }
    return { child, stop }
  }
  const until = (text: string) =>
    new Promise<void>((resolve) => {
      heard = () => said.includes(text) && resolve()
      heard()
    })
  let running = await launch()

  const asRoot = async (work: (client: Client) => Promise<void>) => {
    const client = new Client({ url, timeout: 10_000 })
    await client.bind(rootDn, 'root')
    await work(client)
    await client.unbind()
  }
  const add = (dn: string, attributes: Attributes) =>
    asRoot((client) =>
      client.add(
        dn,
        Object.entries(attributes).map(
          ([type, value]) => new Attribute({ type, values: [value].flat() as string[] | Buffer[] }),
        ),
      ),
    )
  await add(suffix, { objectClass: ['dcObject', 'organization'], dc: 'example', o: 'Example' })
  for (const ou of ['Users', 'UserGroups']) await add(`ou=${ou},${suffix}`, { objectClass: 'organizationalUnit', ou })
  await add(account.user, {
    objectClass: ['organizationalRole', 'simpleSecurityObject'],
    cn: 'reader',
    userPassword: account.password,
  })
  return {
    url,
    tlsUrl,
    caFile: join(dir, 'ca.pem'),
    add,
    set: (dn, type, values) =>
      asRoot((client) =>
        client.modify(dn, new Change({ operation: 'replace', modification: new Attribute({ type, values }) })),
      ),
    remove: (dn) => asRoot((client) => client.del(dn)),
    async operations() {
      // its own question is the last one that it writes down
      const mark = `cn=mark-${said.length}`
      const client = new Client({ url, timeout: 10_000 })
      await client.bind(`${mark},${suffix}`, 'x').catch(() => {})
      await until(mark)
      const all = said
      said = ''
      await client.unbind()
      return all
    },
    pause: () => running.child.kill('SIGSTOP'),
    resume: () => running.child.kill('SIGCONT'),
    async restart() {
      await running.stop()
      running = await launch()
    },
    async stop() {
      await running.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const configuration = (dir: string, limit: number | 'unlimited') => `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include ${dir}/ad.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile ${dir}/slapd.pid
sizelimit size.soft=${limit} size.hard=${limit} size.prtotal=unlimited
TLSCACertificateFile ${dir}/ca.pem
TLSCertificateFile ${dir}/server.pem
TLSCertificateKeyFile ${dir}/server.key
database mdb
maxsize 67108864
suffix ${suffix}
rootdn ${rootDn}
rootpw root
directory ${dir}/db
dbnosync
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${account.user}" read by anonymous auth by * none
`

/** An authority, and a certificate of its for localhost. */
function makeCertificates(dir: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test authority')
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE']
  openssl(
    ...['req', '-x509', ...key, '-CA', 'ca.pem', '-CAkey', 'ca.key'],
    ...['-keyout', 'server.key', '-out', 'server.pem', '-subj', '/CN=localhost', ...names],
  )
}

async function reachable(port: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (attempt === 500) throw error
      await setTimeout(20)
    } finally {
      socket.destroy()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
