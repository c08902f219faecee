// What users and strangers get wrong, against a running cloud: each gets the status and the envelope that OpenStack's
// clients expect and a sentence that helps, nothing half-made stays behind, and nothing is ever a 500.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Api, signIn } from './testing/api.ts'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { whyNot } from './testing/needs.ts'
import { must } from './testing/run.ts'
import { until } from './testing/until.ts'

interface Named {
  id: string
  name: string
  status: string
}

/** How each service wraps an error. */
const sentence: Record<string, (body: never) => unknown> = {
  compute: (body: Record<string, { message: string }>) => Object.values(body)[0]?.message,
  network: (body: { NeutronError: { message: string } }) => body.NeutronError.message,
  identity: (body: { error: { message: string } }) => body.error.message,
  placement: (body: { errors: { detail: string }[] }) => body.errors[0]?.detail,
}

test('bad input', { skip: whyNot('client') }, async (t) => {
  const undo = cleanup(t)
  const cloud = await startCloud(undo, { args: ['--sim', '2', '--processes', '1'] })
  const { openstack, ask, tryOpenstack } = cloud
  const { send, call, projectId } = cloud.api
  const folder = await scratch(undo)
  const networks = await ask<{ ID: string; Name: string }[]>('network', 'list')
  const networkId = networks.find(({ Name }) => Name === 'private')?.ID ?? ''
  const [image] = await ask<{ ID: string }[]>('image', 'list', '--name', 'tiny')
  const server = { name: 'x', flavorRef: '1', imageRef: image?.ID, networks: [{ uuid: networkId }] }
  const paths = {
    servers: '/compute/v2.1/servers',
    networks: '/network/v2.0/networks',
    subnets: '/network/v2.0/subnets',
    ports: '/network/v2.0/ports',
    users: '/identity/v3/users',
    projects: '/identity/v3/projects',
    images: '/image/v2/images',
    providers: '/placement/resource_providers',
  }

  async function refused(status: number, method: string, path: string, body?: unknown, from: Api = cloud.api) {
    const reply = await from.send(method, path, body)
    const where = `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}: ${reply.status} ${reply.text}`
    assert.equal(reply.status, status, where)
    const read = sentence[path.split('/')[1] ?? '']
    if (!read || method === 'HEAD') return reply.text
    const message = read(JSON.parse(reply.text) as never)
    assert.ok(typeof message === 'string' && message.length > 10, where)
    assert.ok(reply.headers['x-openstack-request-id'] ?? reply.headers['x-compute-request-id'], where)
    return message
  }

  await t.test('unknown fields and wrong types', async () => {
    assert.match(await refused(400, 'POST', paths.servers, { server: { ...server, colour: 'red' } }), /colour/)
    await refused(400, 'POST', paths.servers, { server: { ...server, name: 7 } })
    await refused(400, 'POST', paths.servers, { server: { ...server, name: '' } })
    await refused(400, 'POST', paths.servers, { server: { ...server, networks: 'private' } })
    await refused(400, 'POST', paths.servers, { server: { ...server, min_count: 'many' } })
    await refused(400, 'POST', paths.servers, {})
    await refused(400, 'POST', paths.servers, [])
    assert.match(await refused(400, 'POST', paths.networks, { network: { name: 'x', colour: 'red' } }), /colour/)
    await refused(400, 'POST', paths.networks, { network: { name: 'x', admin_state_up: 'perhaps' } })
    await refused(400, 'POST', paths.ports, { port: { network_id: networkId, mac_address: 'not a mac' } })
    await refused(400, 'POST', paths.ports, { port: { network_id: networkId, fixed_ips: [{ ip_address: '1.2.3' }] } })
    await refused(400, 'POST', paths.users, { user: { name: 5 } })
    await refused(400, 'POST', paths.projects, { project: { name: '' } })
    await refused(400, 'POST', paths.images, { name: 'x', disk_format: 'floppy' })
    await refused(400, 'POST', paths.providers, { name: 'x', colour: 'red' })
    const bad = await tryOpenstack(['flavor', 'create', '--ram', '-5', 'x'])
    assert.match(bad.stderr, /HTTP 400|BadRequest|400/)
  })

  await t.test('text that no database can hold, and bodies that are no JSON', async () => {
    for (const name of ['a\0b', '\ud800', 'x'.repeat(300), '\u202e\n']) {
      for (const [path, body] of [
        [paths.servers, { server: { ...server, name } }],
        [paths.servers, { server: { ...server, metadata: { key: name } } }],
        [paths.networks, { network: { name } }],
        [paths.users, { user: { name } }],
        [paths.images, { name }],
        [paths.providers, { name }],
        ['/compute/v2.1/os-keypairs', { keypair: { name } }],
        ['/compute/v2.1/flavors', { flavor: { name, ram: 1, vcpus: 1, disk: 1 } }],
        ['/network/v2.0/security-groups', { security_group: { name: 'x', description: name } }],
      ] as const) {
        const { status, text } = await send('POST', path, body)
        assert.ok(status < 500, `${path} ${JSON.stringify(name).slice(0, 20)}: ${status} ${text}`)
        if (name.includes('\0')) assert.equal(status, 400, `${path}: ${text}`)
      }
    }
    for (const { ID } of await ask<{ ID: string }[]>('server', 'list'))
      await openstack('server', 'delete', '--wait', ID)
    for (const path of Object.values(paths)) {
      for (const body of [
        Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
        '{"server": ',
        'null',
        '"x"',
        '',
      ])
        await refused(400, 'POST', path, body)
      await refused(400, 'POST', path, '['.repeat(100_000))
    }
  })

  await t.test('huge bodies', async () => {
    const body = JSON.stringify({ server: { ...server, user_data: 'A'.repeat(3 * 2 ** 20) } })
    assert.equal((await send('POST', paths.servers, body)).status, 413)
    await refused(400, 'POST', paths.servers, { server: { ...server, user_data: 'A'.repeat(2 ** 17) } })
  })

  await t.test('odd paths and queries', async () => {
    for (const path of Object.values(paths)) {
      for (const query of [
        '?limit=-1',
        '?limit=many',
        '?marker=nobody',
        '?sort_key=colour',
        '?name=%00',
        '?name=%ff',
        '?%00=1',
      ]) {
        const { status, text } = await send('GET', path + query)
        assert.ok(status < 500, `${path}${query}: ${status} ${text}`)
      }
      for (const id of ['nobody', '%00', '%ff', randomUUID(), 'x'.repeat(3000), "'; drop table server; --"]) {
        const url = `${path}/${id.replaceAll(' ', '%20')}`
        for (const method of ['GET', 'DELETE']) {
          const { status, text } = await send(method, url)
          assert.ok([400, 404, 414].includes(status), `${method} ${url.slice(0, 80)}: ${status} ${text}`)
        }
      }
    }
    await refused(404, 'GET', `${paths.servers}/${randomUUID()}`)
    await refused(404, 'GET', `${paths.networks}/${randomUUID()}`)
  })

  await t.test("other projects' things are not there", async () => {
    await openstack('project', 'create', 'other')
    await openstack('user', 'create', '--password', 'stranger', 'stranger')
    await openstack('role', 'add', '--project', 'other', '--user', 'stranger', 'member')
    const [, , host = '', port = ''] = /(https?:)\/\/([^:]+):(\d+)/.exec(cloud.url) ?? []
    const stranger = await signIn({ protocol: 'http:', host, port }, 'stranger', 'stranger', 'other')
    const mine = await ask<Named>(
      'server',
      'create',
      '--flavor',
      'tiny',
      '--image',
      'tiny',
      '--nic',
      `net-id=${networkId}`,
      '--wait',
      'mine',
    )
    const [own] = await ask<{ ID: string }[]>('port', 'list', '--server', 'mine')
    for (const path of [`${paths.servers}/${mine.id}`, `${paths.ports}/${own?.ID}`, `${paths.networks}/${networkId}`]) {
      await refused(404, 'GET', path, undefined, stranger)
      await refused(404, 'DELETE', path, undefined, stranger)
    }
    await refused(404, 'POST', `${paths.servers}/${mine.id}/action`, { 'os-stop': null }, stranger)
    await refused(400, 'POST', paths.servers, { server: { ...server, networks: [{ uuid: networkId }] } }, stranger)
    await refused(403, 'GET', paths.users, undefined, stranger)
    await refused(403, 'POST', '/compute/v2.1/flavors', { flavor: { name: 'f', ram: 1, vcpus: 1, disk: 1 } }, stranger)
    const asStranger = {
      OS_CLOUD: '',
      OS_AUTH_URL: `${cloud.url}/identity/v3`,
      OS_USERNAME: 'stranger',
      OS_PASSWORD: 'stranger',
      OS_PROJECT_NAME: 'other',
      OS_USER_DOMAIN_NAME: 'Default',
      OS_PROJECT_DOMAIN_NAME: 'Default',
      OS_IDENTITY_API_VERSION: '3',
    }
    const shown = await tryOpenstack(['server', 'show', mine.id], asStranger)
    assert.notEqual(shown.code, 0)
    assert.match(shown.stderr, /No server with a name or ID/)
    assert.equal((await ask<Named>('server', 'show', 'mine')).status, 'ACTIVE')
    await openstack('server', 'delete', '--wait', 'mine')
  })

  await t.test('forged and revoked tokens', async () => {
    const { token } = cloud.api
    const middle = token.length >> 1
    const flipped = token.slice(0, middle) + (token[middle] === 'A' ? 'B' : 'A') + token.slice(middle + 1)
    const forged = [
      flipped,
      token.slice(0, -2),
      `${token}A`,
      randomBytes(100).toString('base64url'),
      '',
      'x'.repeat(8000),
      '\u00ff',
    ]
    for (const each of forged)
      for (const path of [paths.servers, paths.networks, paths.users, paths.images, paths.providers]) {
        const { status } = await send('GET', path, undefined, { 'X-Auth-Token': each })
        assert.equal(status, 401, `${path} with ${each.slice(0, 20)}`)
      }
    const { id } = await ask<{ id: string }>('token', 'issue')
    const use = () => send('GET', paths.servers, undefined, { 'X-Auth-Token': id })
    assert.equal((await use()).status, 200)
    await openstack('token', 'revoke', id)
    await until('the token is refused', async () => (await use()).status === 401)
    const wrong = await tryOpenstack(['token', 'issue'], { OS_PASSWORD: 'wrong' })
    assert.match(wrong.stderr, /HTTP 401/)
  })

  await t.test('CIDRs that overlap, and addresses that do not fit', async () => {
    const before = await ask<unknown[]>('subnet', 'list')
    const subnet = (cidr: string, more = {}) => ({ subnet: { network_id: networkId, ip_version: 4, cidr, ...more } })
    const message = await refused(400, 'POST', paths.subnets, subnet('10.10.0.128/25'))
    assert.match(message, /overlap/i)
    await refused(400, 'POST', paths.subnets, subnet('10.300.0.0/24'))
    await refused(400, 'POST', paths.subnets, subnet('fd00::/64'))
    await refused(400, 'POST', paths.subnets, subnet('10.20.0.0/24', { gateway_ip: 'here' }))
    const pools = [{ start: '10.30.0.1', end: '10.30.0.9' }]
    await refused(400, 'POST', paths.subnets, subnet('10.20.0.0/24', { allocation_pools: pools }))
    await refused(400, 'POST', paths.ports, {
      port: { network_id: networkId, fixed_ips: [{ ip_address: '10.99.0.1' }] },
    })
    assert.equal((await ask<unknown[]>('subnet', 'list')).length, before.length)
    const client = await tryOpenstack([
      'subnet',
      'create',
      '--network',
      'private',
      '--subnet-range',
      '10.10.0.0/25',
      'x',
    ])
    assert.match(client.stderr, /overlap/i)
  })

  await t.test('more than the quota', async () => {
    const used = (await ask<{ Project: string }[]>('network', 'list', '--long', '--project', 'admin')).length
    await openstack('quota', 'set', '--instances', '1', '--networks', String(used + 1), 'admin')
    await refused(403, 'POST', paths.servers, { server: { ...server, min_count: 2, max_count: 2 } })
    const tooMany = await tryOpenstack([
      'server',
      'create',
      '--flavor',
      'tiny',
      '--image',
      'tiny',
      '--nic',
      `net-id=${networkId}`,
      '--min',
      '3',
      '--max',
      '3',
      'many',
    ])
    assert.match(tooMany.stderr, /[Qq]uota exceeded/)
    assert.deepEqual(await ask('server', 'list'), [])
    assert.deepEqual(await ask('port', 'list', '--device-owner', 'compute:nova'), [])
    await openstack('network', 'create', 'third')
    const network = await tryOpenstack(['network', 'create', 'fourth'])
    assert.match(network.stderr, /[Qq]uota exceeded/)
    await openstack('network', 'delete', 'third')
    await openstack('quota', 'set', '--instances', '10', '--networks', '100', 'admin')
  })

  await t.test('an image that is not what it says', async () => {
    const text = join(folder, 'text')
    writeFileSync(text, 'this is no disk\n'.repeat(5000))
    // Glance's users upload anything as anything; what no reader would recognise is refused where it would be booted.
    await openstack('image', 'create', '--disk-format', 'qcow2', '--file', text, 'no-disk')
    const [noDisk] = await ask<{ ID: string }[]>('image', 'list', '--name', 'no-disk')
    const said = await refused(400, 'POST', paths.servers, { server: { ...server, imageRef: noDisk?.ID } })
    assert.match(said, /declared as qcow2/)
    await openstack('image', 'delete', 'no-disk')
    const greedy = join(folder, 'greedy')
    writeFileSync(greedy, qcow2WithBackingFile('/etc/shadow'))
    const peek = await tryOpenstack(['image', 'create', '--disk-format', 'qcow2', '--file', greedy, 'greedy'])
    assert.notEqual(peek.code, 0)
    assert.match(peek.stderr, /backing file/)
    const hidden = await tryOpenstack(['image', 'create', '--disk-format', 'raw', '--file', greedy, 'hidden'])
    assert.notEqual(hidden.code, 0, 'a qcow2 that says it is raw')
    const active = await ask<{ Name: string }[]>('image', 'list', '--status', 'active')
    assert.deepEqual(
      active.map(({ Name }) => Name),
      ['tiny'],
    )
  })

  await t.test('a flavor too big for every host', async () => {
    await openstack('flavor', 'create', '--ram', '999999', '--vcpus', '500', '--disk', '1', 'giant')
    await openstack('quota', 'set', '--cores', '-1', '--ram', '-1', 'admin')
    const made = await tryOpenstack([
      'server',
      'create',
      '--flavor',
      'giant',
      '--image',
      'tiny',
      '--nic',
      `net-id=${networkId}`,
      '--wait',
      'giant',
    ])
    assert.match(made.stdout + made.stderr, /Error creating server/)
    const { servers } = await call<{ servers: (Named & { fault: { message: string } })[] }>(
      'GET',
      `${paths.servers}/detail`,
    )
    assert.deepEqual(
      servers.map(({ status }) => status),
      ['ERROR'],
    )
    assert.match(servers[0]?.fault.message ?? '', /No valid host was found.*(vCPU|VCPU|memory|MEMORY)/s)
    await openstack('server', 'delete', '--wait', 'giant')
    assert.deepEqual(await ask('port', 'list', '--device-owner', 'compute:nova'), [])
    assert.ok(projectId)
  })

  await t.test('nothing of it was a bug of ours', async () => {
    const log = await must('cat', [join(cloud.data, 'log/server-1.log')])
    const bad = log.split('\n').filter((line) => /"status":5\d\d|"level":(50|60)/.test(line))
    assert.deepEqual(bad, [])
  })
})

/** The first page of a qcow2 (version 2) whose data would come from a file of the host. */
function qcow2WithBackingFile(path: string): Buffer {
  const header = Buffer.alloc(65536 * 4)
  header.write('QFI\xfb', 0, 'latin1')
  header.writeUInt32BE(2, 4)
  header.writeBigUInt64BE(1024n, 8)
  header.writeUInt32BE(path.length, 16)
  header.writeUInt32BE(16, 20)
  header.writeBigUInt64BE(BigInt(2 ** 20), 24)
  header.writeUInt32BE(1, 36)
  header.writeBigUInt64BE(65536n, 40)
  header.writeBigUInt64BE(131072n, 48)
  header.writeUInt32BE(1, 56)
  header.write(path, 1024)
  return header
}
