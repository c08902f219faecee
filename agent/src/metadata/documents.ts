// What a guest may read of itself, in OpenStack's and EC2's forms: the metadata service and the config drive both take
// their documents from here. Facts of the formats: OpenStack's "Metadata" user guide, EC2's "Instance metadata
// categories" of 2009-04-04.
import { randomBytes } from 'node:crypto'
import type { MachineSpec } from '@pileus/contract/agent.ts'

// Each version and what came with it; documents of a newer version are not shown in an older one.
const openstackVersions = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  '2020-10-14',
] as const
const since = {
  randomSeed: '2013-04-04',
  password: '2013-04-04',
  vendorData: '2013-10-17',
  projectId: '2015-10-15',
  networkData: '2015-10-15',
  devices: '2016-06-30',
  vendorData2: '2016-10-06',
  dedicatedCpus: '2020-10-14',
}
const ec2Versions = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
]

/** The machine and what is told of it. */
export type Guest = Pick<MachineSpec, 'id' | 'metadata'>

export interface Document {
  type: 'text/plain' | 'application/json'
  body: Buffer
}

/** The document at a path, or undefined for 404. `address` is where the guest asks from. */
export function findDocument(guest: Guest, path: string, address: string): Document | undefined {
  const words = path.split('/').filter((word) => word !== '' && word !== '.')
  if (words[0] === 'openstack') return openstackDocument(guest, words.slice(1))
  return ec2Document(guest, words[0] === 'ec2' ? words.slice(1) : words, address)
}

function openstackDocument(guest: Guest, [version, name, ...rest]: string[]): Document | undefined {
  if (version === undefined) return lines([...openstackVersions, 'latest'])
  const known = version === 'latest' ? openstackVersions.at(-1) : openstackVersions.find((each) => each === version)
  if (known === undefined || rest.length > 0) return undefined
  const names = openstackNames(guest, known)
  if (name === undefined) return lines(names)
  if (!names.includes(name)) return undefined
  if (name === 'meta_data.json') return json(metaData(guest, known))
  if (name === 'user_data') return text(Buffer.from(guest.metadata.userData ?? '', 'base64'))
  if (name === 'network_data.json') return json(guest.metadata.networkData ?? {})
  if (name === 'password') return text('')
  return json({})
}

function openstackNames({ metadata }: Guest, version: string): string[] {
  return [
    'meta_data.json',
    ...(metadata.userData === null ? [] : ['user_data']),
    ...(version >= since.password ? ['password'] : []),
    ...(version >= since.vendorData ? ['vendor_data.json'] : []),
    ...(version >= since.networkData ? ['network_data.json'] : []),
    ...(version >= since.vendorData2 ? ['vendor_data2.json'] : []),
  ]
}

function metaData({ id, metadata }: Guest, version: string): Record<string, unknown> {
  const [first] = metadata.keys
  return {
    uuid: id,
    ...(Object.keys(metadata.meta).length === 0 ? {} : { meta: metadata.meta }),
    ...(first === undefined ? {} : { public_keys: { [first.name]: first.data }, keys: metadata.keys }),
    hostname: metadata.hostname,
    name: metadata.name,
    launch_index: metadata.launchIndex,
    availability_zone: metadata.availabilityZone,
    ...(version >= since.randomSeed ? { random_seed: randomBytes(512).toString('base64') } : {}),
    ...(version >= since.projectId ? { project_id: metadata.projectId } : {}),
    ...(version >= since.devices ? { devices: [] } : {}),
    ...(version >= since.dedicatedCpus ? { dedicated_cpus: [] } : {}),
  }
}

/** A leaf's text, a list (written one a line), or a folder. */
type Tree = string | string[] | { [name: string]: Tree }

function ec2Document(guest: Guest, [version, ...path]: string[], address: string): Document | undefined {
  if (version === undefined) return lines([...ec2Versions, 'latest'])
  const known = version === 'latest' ? ec2Versions.at(-1) : ec2Versions.find((each) => each === version)
  if (known === undefined) return undefined
  const { userData } = guest.metadata
  if (path.length === 0) return lines(['meta-data/', ...(userData === null ? [] : ['user-data'])])
  const [top, ...rest] = path
  if (top === 'user-data' && rest.length === 0 && userData !== null) return text(Buffer.from(userData, 'base64'))
  if (top !== 'meta-data') return undefined
  let at: Tree = ec2MetaData(guest, known, address)
  for (const word of rest) {
    if (typeof at === 'string' || Array.isArray(at) || !Object.hasOwn(at, word)) return undefined
    const next: Tree | undefined = at[word]
    if (next === undefined) return undefined
    at = next
  }
  if (typeof at === 'string') return text(at)
  if (Array.isArray(at)) return lines(at)
  const [key] = guest.metadata.keys
  // EC2 lists keys as number=name, and nothing else that way.
  if (rest.join('/') === 'public-keys' && key !== undefined) return lines([`0=${key.name}`])
  return lines(Object.entries(at).map(([name, value]) => (isFolder(value) && name !== '0' ? `${name}/` : name)))
}

function isFolder(tree: Tree): boolean {
  return typeof tree === 'object' && !Array.isArray(tree)
}

/** The tree under `meta-data/`. */
function ec2MetaData({ metadata }: Guest, version: string, address: string): { [name: string]: Tree } {
  const [key] = metadata.keys
  return {
    'ami-launch-index': `${metadata.launchIndex}`,
    ...(version >= '2007-12-15' ? { 'block-device-mapping': { ami: 'vda', root: '/dev/vda' } } : {}),
    hostname: metadata.hostname,
    ...(version >= '2008-09-01' ? { 'instance-action': 'none' } : {}),
    'instance-id': metadata.instanceId,
    ...(version >= '2007-08-29' ? { 'instance-type': metadata.flavor } : {}),
    ...(version >= '2007-01-19' ? { 'local-hostname': metadata.hostname } : {}),
    'local-ipv4': address,
    ...(version >= '2008-02-01' ? { placement: { 'availability-zone': metadata.availabilityZone } } : {}),
    ...(version >= '2007-01-19' ? { 'public-hostname': metadata.hostname, 'public-ipv4': '' } : {}),
    ...(key === undefined ? {} : { 'public-keys': { '0': { 'openssh-key': key.data } } }),
    'reservation-id': metadata.reservationId,
    'security-groups': metadata.securityGroups,
  }
}

/** Every file of a config drive: path → contents. The guest alone reads it, so its password and files are in it. */
export function configDriveFiles(guest: Guest): Map<string, Buffer> {
  const { metadata } = guest
  const version = openstackVersions.at(-1) ?? ''
  const content = metadata.files.map(({ contents }) => Buffer.from(contents, 'base64'))
  const secrets = {
    ...(metadata.files.length === 0 ? {} : { files: metadata.files.map(({ path }, i) => contentEntry(path, i)) }),
    ...(metadata.adminPassword === null ? {} : { admin_pass: metadata.adminPassword }),
  }
  const userData = metadata.userData === null ? undefined : Buffer.from(metadata.userData, 'base64')
  const files: [string, Buffer | undefined][] = [
    ['openstack/latest/meta_data.json', json({ ...metaData(guest, version), ...secrets }).body],
    ['openstack/latest/user_data', userData],
    ['openstack/latest/network_data.json', json(metadata.networkData ?? {}).body],
    ['openstack/latest/vendor_data.json', json({}).body],
    ['openstack/latest/vendor_data2.json', json({}).body],
    [
      'ec2/latest/meta-data.json',
      json(ec2MetaData(guest, ec2Versions.at(-1) ?? '', firstAddress(metadata.networkData))).body,
    ],
    ['ec2/latest/user-data', userData],
    ...content.map((bytes, i): [string, Buffer] => [`openstack${contentEntry('', i).content_path}`, bytes]),
  ]
  return new Map(files.flatMap(([path, bytes]) => (bytes === undefined ? [] : [[path, bytes] as const])))
}

function contentEntry(path: string, i: number) {
  return { path, content_path: `/content/${`${i}`.padStart(4, '0')}` }
}

/** The first fixed IPv4 address in network_data.json, empty when there is none. */
function firstAddress(networkData: unknown): string {
  if (typeof networkData !== 'object' || networkData === null || !('networks' in networkData)) return ''
  const { networks } = networkData
  if (!Array.isArray(networks)) return ''
  for (const network of networks as unknown[])
    if (typeof network === 'object' && network !== null && 'ip_address' in network)
      if (typeof network.ip_address === 'string' && network.ip_address.includes('.')) return network.ip_address
  return ''
}

function lines(all: string[]): Document {
  return text(all.join('\n'))
}
function text(body: string | Buffer): Document {
  return { type: 'text/plain', body: Buffer.from(body) }
}
function json(value: unknown): Document {
  return { type: 'application/json', body: Buffer.from(JSON.stringify(value)) }
}
