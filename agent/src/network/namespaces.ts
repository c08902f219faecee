// Named network namespaces. Programs are put into them with nsenter, which (other than `ip netns exec`) leaves the
// mount namespace alone: mounts of namespaces made later stay visible to everybody.
import { access, readdir, rm } from 'node:fs/promises'
import { run, type RunResult } from '../run.ts'

const namespaceDirectory = '/run/netns'
export const namespacePath = (name: string): string => `${namespaceDirectory}/${name}`

export async function listNamespaces(): Promise<Set<string>> {
  try {
    return new Set(await readdir(namespaceDirectory))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Set()
    throw error
  }
}

export function runIn(namespace: string, cmd: string, args: readonly string[], input?: string): Promise<RunResult> {
  const all = [`--net=${namespacePath(namespace)}`, cmd, ...args]
  return run('nsenter', all, input === undefined ? {} : { input })
}

export type Settings = Readonly<Record<string, string>>

/** Writes kernel settings (`net/ipv4/ip_forward` → value) inside the namespace. */
async function writeSettings(namespace: string, settings: Settings): Promise<void> {
  const script = Object.entries(settings).map(([path, value]) => {
    // A kernel without IPv6 is no fault; a kernel without br_netfilter is, and says so here.
    const optional = path.startsWith('net/ipv6/') ? '[ ! -e /proc/sys/net/ipv6 ] || ' : ''
    return `${optional}echo ${value} > /proc/sys/${path}`
  })
  await runIn(namespace, 'sh', ['-e'], `${script.join('\n')}\n`)
}

/**
 * The namespace is there, usable, and has these settings. `true`: it had to be made. A name whose mount is gone (its
 * kernel namespace cannot be entered any more) is made anew.
 */
export async function ensureNamespace(name: string, settings: Settings, known: Set<string>): Promise<boolean> {
  if (known.has(name)) {
    try {
      await writeSettings(name, settings)
      return false
    } catch (error) {
      if (await isUsable(name)) throw error
      await rm(namespacePath(name), { force: true })
    }
  }
  await run('ip', ['netns', 'add', name])
  known.add(name)
  await writeSettings(name, settings)
  return true
}

const isUsable = (name: string): Promise<boolean> =>
  runIn(name, 'true', []).then(
    () => true,
    () => false,
  )

const bridgeSettings = '/proc/sys/net/bridge'

/** Bridged packets can be filtered by state; loads the kernel's module where it is one. */
export async function ensureBridgeFilter(): Promise<void> {
  try {
    await access(bridgeSettings)
  } catch {
    await run('modprobe', ['br_netfilter'])
  }
}

export async function deleteNamespace(name: string): Promise<void> {
  if ((await listNamespaces()).has(name)) await run('ip', ['netns', 'del', name])
}

// A new namespace may inherit what the host has set, so everything that matters is said. No forwarding, no address of
// its own: it only carries bridges.
export const planeSettings: Settings = {
  'net/ipv4/ip_forward': '0',
  'net/ipv6/conf/all/forwarding': '0',
  // No link-local addresses; not disable_ipv6, for the bridges keep tables of IPv6 neighbours.
  'net/ipv6/conf/default/addr_gen_mode': '1',
  'net/ipv6/conf/default/accept_ra': '0',
  'net/bridge/bridge-nf-call-iptables': '1',
  'net/bridge/bridge-nf-call-ip6tables': '1',
  'net/bridge/bridge-nf-call-arptables': '0',
  'net/bridge/bridge-nf-filter-vlan-tagged': '0',
}

// The DHCP server's address is the same on every host, so it must not look for duplicates of itself.
export const dhcpSettings: Settings = {
  'net/ipv4/ip_forward': '0',
  'net/ipv4/conf/all/promote_secondaries': '1',
  'net/ipv4/conf/default/promote_secondaries': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  'net/ipv6/conf/all/forwarding': '0',
  'net/ipv6/conf/default/accept_ra': '0',
  'net/ipv6/conf/default/accept_dad': '0',
}

export const routerSettings: Settings = {
  'net/ipv4/ip_forward': '1',
  'net/ipv4/conf/all/promote_secondaries': '1',
  'net/ipv4/conf/default/promote_secondaries': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  'net/ipv4/conf/all/send_redirects': '0',
  'net/ipv4/conf/default/send_redirects': '0',
  'net/ipv4/conf/all/arp_notify': '1',
  'net/ipv4/conf/default/arp_notify': '1',
  'net/ipv6/conf/all/forwarding': '1',
  'net/ipv6/conf/all/accept_ra': '0',
  'net/ipv6/conf/default/accept_ra': '0',
  'net/ipv6/conf/default/accept_dad': '0',
  'net/ipv6/conf/all/ndisc_notify': '1',
  'net/ipv6/conf/default/ndisc_notify': '1',
}
