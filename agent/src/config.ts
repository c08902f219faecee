// The agent's settings: one schema, flags before environment (`PILEUS_AGENT_<NAME>`) before defaults.
import { hostname, networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'

const Config = Type.Object({
  /** Where everything that the agent owns lies: keys, wishes, machines, images. */
  dataDir: Type.String({ minLength: 1 }),
  /** http:// or https:// address of the control plane. */
  server: Type.Union([Type.String({ pattern: '^https?://' }), Type.Null()]),
  /** `<tokenId>.<secret>`: needed once, to join. */
  join: Type.Union([Type.String({ pattern: '^[^.]+\\..+$' }), Type.Null()]),
  /** The host's name, unique in the region. */
  name: Type.String({ minLength: 1, maxLength: 255 }),
  /** The address that other hosts send VXLAN to. */
  tunnelAddress: Type.String({ minLength: 1 }),
  /** Name or number of the user that QEMU and qemu-img run as. */
  qemuUser: Type.String({ minLength: 1 }),
  vcpus: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  memoryMb: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  diskGb: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  /** The network namespace of the data plane. */
  namespace: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$' }),
  /** Physical networks: name → host-side bridge and the host's address on it (with prefix length). */
  physical: Type.Record(
    Type.String(),
    Type.Object({ bridge: Type.String(), address: Type.Union([Type.String(), Type.Null()]) }),
  ),
  accelerator: Type.Enum(['auto', 'tcg', 'kvm']),
  /** The image cache may grow to this size before images that no machine uses are dropped. */
  imageCacheGb: Type.Integer({ minimum: 0 }),
  logLevel: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
  /** End all guests, take down the data plane, and exit. */
  teardown: Type.Boolean(),
})
export type Config = Static<typeof Config>

const flags = {
  data: { type: 'string' },
  server: { type: 'string' },
  join: { type: 'string' },
  name: { type: 'string' },
  'tunnel-address': { type: 'string' },
  'qemu-user': { type: 'string' },
  vcpus: { type: 'string' },
  'memory-mb': { type: 'string' },
  'disk-gb': { type: 'string' },
  namespace: { type: 'string' },
  physical: { type: 'string', multiple: true },
  accelerator: { type: 'string' },
  'image-cache-gb': { type: 'string' },
  'log-level': { type: 'string' },
  teardown: { type: 'boolean' },
} as const

/** A setting is wrong; the message is a sentence for the operator. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** Reads flags and environment; throws a `ConfigError` that names the setting at fault. */
export function readConfig(args: string[], environment: Record<string, string | undefined>): Config {
  let values: Partial<Record<keyof typeof flags, string | boolean | string[]>>
  try {
    values = parseArgs({ args, options: flags, strict: true }).values
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  const text = (flag: keyof typeof flags): string | undefined => {
    const given = values[flag]
    return typeof given === 'string' ? given : environment[`PILEUS_AGENT_${flag.toUpperCase().replaceAll('-', '_')}`]
  }
  const number = (flag: keyof typeof flags): number | null => {
    const given = text(flag)
    return given === undefined ? null : Number(given)
  }
  const { join, server } = splitJoin(text('join'), text('server'))
  const physical = Array.isArray(values.physical)
    ? values.physical
    : (environment.PILEUS_AGENT_PHYSICAL ?? '').split(' ').filter((entry) => entry !== '')
  const config = {
    dataDir: resolve(text('data') ?? 'var/agent'),
    server,
    join,
    name: text('name') ?? hostname(),
    tunnelAddress: text('tunnel-address') ?? firstAddress(),
    qemuUser: text('qemu-user') ?? defaultQemuUser,
    vcpus: number('vcpus'),
    memoryMb: number('memory-mb'),
    diskGb: number('disk-gb'),
    namespace: text('namespace') ?? 'pileus',
    physical: Object.fromEntries(physical.map(parsePhysical)),
    accelerator: text('accelerator') ?? 'auto',
    imageCacheGb: number('image-cache-gb') ?? 20,
    logLevel: text('log-level') ?? 'info',
    teardown: values.teardown === true,
  }
  if (Value.Check(Config, config)) return Object.freeze(config)
  const [first] = Value.Errors(Config, config)
  throw new ConfigError(`The setting ${first?.instancePath.slice(1)} is not usable: it ${first?.message}.`)
}

// A number of its own in the range that neither Debian nor systemd hands out, so that no account need be made.
const defaultQemuUser = '60790'

/** `TOKEN@URL` names both; a plain token needs `--server`. */
function splitJoin(join: string | undefined, server: string | undefined) {
  const at = join?.indexOf('@') ?? -1
  if (join === undefined || at < 0) return { join: join ?? null, server: trimmed(server) }
  return { join: join.slice(0, at), server: trimmed(server ?? join.slice(at + 1)) }
}

function trimmed(url: string | undefined): string | null {
  return url?.replace(/\/+$/, '') ?? null
}

/** `NAME`, `NAME=ADDRESS/PREFIX` or `NAME=BRIDGE,ADDRESS/PREFIX`. */
function parsePhysical(entry: string): [string, { bridge: string; address: string | null }] {
  const match = /^([A-Za-z0-9_.-]+)(?:=(?:([A-Za-z0-9_.-]{1,15}),)?([0-9a-fA-F.:]+\/\d+)?)?$/.exec(entry)
  const [, name, bridge, address] = match ?? []
  if (name === undefined)
    throw new ConfigError(`--physical ${entry}: write NAME=ADDRESS/PREFIX or NAME=BRIDGE,ADDRESS/PREFIX.`)
  return [name, { bridge: bridge ?? `br-${name}`.slice(0, 15), address: address ?? null }]
}

function firstAddress(): string {
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address, family, internal } of addresses ?? []) if (family === 'IPv4' && !internal) return address
  return '127.0.0.1'
}
