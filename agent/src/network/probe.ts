// What this kernel and this host's programs can do for the data plane, tried and undone again.
import { run } from '../run.ts'
import { deleteNamespace, ensureBridgeFilter, runIn } from './namespaces.ts'

const filterProbe = `table bridge probe {
 chain c { type filter hook prerouting priority -300; policy accept;
  meta mark set 1
 }
}
table inet probe {
 chain c { type filter hook prerouting priority raw; policy accept;
  ct zone set 1
 }
 chain d { type filter hook forward priority filter; policy accept;
  ct state established accept
 }
}
`
const translationProbe = `table ip probe {
 map m { type ipv4_addr : ipv4_addr; }
 chain c { type nat hook postrouting priority 100; policy accept;
  snat to ip saddr map @m
  masquerade
 }
}
`

/** Traits (`CUSTOM_PILEUS_…`) of what works here; none when not even a namespace can be made. Never rejects. */
export async function probeNetwork(): Promise<string[]> {
  const namespace = `pileus-probe-${process.pid}`
  const tries: Record<string, () => Promise<unknown>> = {
    VXLAN: () =>
      run('ip', [
        '-n',
        namespace,
        'link',
        'add',
        'probe0',
        'type',
        'vxlan',
        'id',
        '1',
        'dstport',
        '4789',
        'nolearning',
      ]),
    BRIDGE: () => run('ip', ['-n', namespace, 'link', 'add', 'probe1', 'type', 'bridge']),
    VETH: () => run('ip', ['-n', namespace, 'link', 'add', 'probe2', 'type', 'veth', 'peer', 'name', 'probe3']),
    TAP: () => run('ip', ['-n', namespace, 'tuntap', 'add', 'dev', 'probe4', 'mode', 'tap']),
    BR_NETFILTER: async () => {
      await ensureBridgeFilter()
      await runIn(namespace, 'test', ['-e', '/proc/sys/net/bridge/bridge-nf-call-iptables'])
    },
    NFT: () => runIn(namespace, 'nft', ['-f', '-'], filterProbe),
    NFT_NAT: () => runIn(namespace, 'nft', ['-f', '-'], translationProbe),
    CONNTRACK: () => runIn(namespace, 'conntrack', ['-C']),
    IPV6: () => runIn(namespace, 'test', ['-e', '/proc/sys/net/ipv6']),
    DNSMASQ: () => run('dnsmasq', ['--version']),
    HAPROXY: () => run('haproxy', ['-v']),
  }
  try {
    await run('ip', ['netns', 'add', namespace])
  } catch {
    return []
  }
  const traits: string[] = []
  try {
    for (const [name, attempt] of Object.entries(tries)) {
      await attempt().then(
        () => traits.push(`CUSTOM_PILEUS_${name}`),
        () => {},
      )
    }
  } finally {
    await deleteNamespace(namespace).catch(() => {})
  }
  return traits
}
