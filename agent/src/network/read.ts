// What is: links, forwarding entries, addresses and routes as the kernel has them now.
import { run } from '../run.ts'

export interface Link {
  name: string
  up: boolean
  mtu: number
  mac: string
  master: string | undefined
  /** For a VXLAN device. */
  vxlan: { id: number; local: string; port: number } | undefined
  neighSuppress: boolean
}

export interface ForwardingEntry {
  mac: string
  link: string
  /** The peer's tunnel address, for an entry of the VXLAN device itself. */
  peer: string | undefined
  state: string
  /** True for an entry of the bridge that the link belongs to. */
  ofBridge: boolean
}

export interface Neighbour {
  address: string
  mac: string
  link: string
}

export interface InnerLink extends Link {
  addresses: string[] // with prefix length; without link-local ones
}

export interface Route {
  destination: string // 'default' or a CIDR (a host without prefix length)
  via: string
  link: string
}

interface JsonLink {
  ifname: string
  flags: string[]
  mtu: number
  address?: string
  master?: string
  linkinfo?: {
    info_kind?: string
    info_data?: { id?: number; local?: string; local6?: string; port?: number }
    info_slave_data?: { neigh_suppress?: boolean }
  }
  addr_info?: { local: string; prefixlen: number; scope: string }[]
}

// `ip` prints nothing at all where there is nothing to print.
function parse<T>(stdout: string): T[] {
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[])
}

const inside = (namespace: string | undefined): string[] => (namespace === undefined ? [] : ['-n', namespace])

function toLink(json: JsonLink): Link {
  const data = json.linkinfo?.info_data
  return {
    name: json.ifname,
    up: json.flags.includes('UP'),
    mtu: json.mtu,
    mac: json.address ?? '',
    master: json.master,
    vxlan:
      json.linkinfo?.info_kind === 'vxlan'
        ? { id: data?.id ?? 0, local: data?.local ?? data?.local6 ?? '', port: data?.port ?? 0 }
        : undefined,
    neighSuppress: json.linkinfo?.info_slave_data?.neigh_suppress ?? false,
  }
}

/** The links of a namespace (undefined: the agent's own) by name. */
export async function readLinks(namespace: string | undefined): Promise<Map<string, Link>> {
  const { stdout } = await run('ip', [...inside(namespace), '-d', '-j', 'link', 'show'])
  return new Map(parse<JsonLink>(stdout).map((json) => [json.ifname, toLink(json)]))
}

/** Links and their addresses. */
export async function readInnerLinks(namespace: string): Promise<Map<string, InnerLink>> {
  const { stdout } = await run('ip', [...inside(namespace), '-d', '-j', 'addr', 'show'])
  return new Map(
    parse<JsonLink>(stdout).map((json) => {
      const kept = (json.addr_info ?? []).filter(
        (info) => !(info.scope === 'link' && info.local.startsWith('fe80:')) && info.scope !== 'host',
      )
      return [
        json.ifname,
        { ...toLink(json), addresses: kept.map((info) => `${info.local}/${info.prefixlen}`) },
      ] as const
    }),
  )
}

export async function readForwarding(namespace: string): Promise<ForwardingEntry[]> {
  const { stdout } = await run('bridge', [...inside(namespace), '-j', 'fdb', 'show'])
  const rows = parse<{ mac: string; ifname: string; dst?: string; master?: string; state?: string }>(stdout)
  return rows.map((row) => ({
    mac: row.mac,
    link: row.ifname,
    peer: row.dst,
    state: row.state ?? '',
    ofBridge: row.master !== undefined,
  }))
}

export async function readNeighbours(namespace: string): Promise<Neighbour[]> {
  const { stdout } = await run('ip', [...inside(namespace), '-j', 'neigh', 'show', 'nud', 'permanent'])
  return parse<{ dst: string; dev: string; lladdr?: string }>(stdout).map((row) => ({
    address: row.dst,
    mac: row.lladdr ?? '',
    link: row.dev,
  }))
}

/** The routes that we wrote (protocol `static`), of both IP versions. */
export async function readRoutes(namespace: string): Promise<Route[]> {
  const read = async (version: '-4' | '-6') => {
    const { stdout } = await run('ip', ['-n', namespace, version, '-j', 'route', 'show', 'proto', 'static'])
    return parse<{ dst: string; gateway?: string; dev?: string }>(stdout)
  }
  const rows = [...(await read('-4')), ...(await read('-6'))]
  return rows.map((row) => ({ destination: row.dst, via: row.gateway ?? '', link: row.dev ?? '' }))
}
