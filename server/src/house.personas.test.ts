// Every route, tried by everybody there is, on things that belong to one project. What each is answered is a table,
// kept in house.personas.json: a change of it is a change of who may do what, and is read as such in a review.
// PILEUS_TEST_UPDATE=1 writes the table anew.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { Method, Route } from '#lib/http/route.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'

const tableFile = new URL('house.personas.json', import.meta.url)
const someId = '00000000-0000-4000-8000-000000000000'
const readingMethods = ['GET', 'HEAD', 'OPTIONS']

// In the table's order: nobody, a member of another project, those whose role is somewhere else, and the team's own.
const everybody = [
  ...(['nobody', 'other', 'foreign', 'service', 'observer', 'steward'] as const),
  ...(['reader', 'member', 'manager', 'admin'] as const),
] as const
// Who has no column in the table: there is nothing of the team for such a one to do.
const besides = ['neighbour'] as const
type Body = (typeof everybody)[number] | (typeof besides)[number]

// An admin of another domain, a service in a project of its own, a reader of the system, managers of the team's domain and of
// another one.
const elsewhere = {
  foreign: { role: 'admin', at: 'domain' },
  service: { role: 'service', at: 'project' },
  observer: { role: 'reader', at: 'system' },
  steward: { role: 'manager', at: 'home' },
  neighbour: { role: 'manager', at: 'domain' },
} as const
const isElsewhere = (who: Body): who is keyof typeof elsewhere => Object.hasOwn(elsewhere, who)

const theirPeople = [
  ['identity/users', '30000000000000000000000000000000'],
  ['identity/projects', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
] as const

interface Door {
  name: string
  method: Method
  path: string
  policy: string
  body: unknown
  /** The path names something of the team's. */
  isTheirs: boolean
}
interface Tried {
  door: Door
  status: number
  text: string
}
interface Tour {
  tried: Tried[]
  /** What is the team's and not for everyone, by where it stands in a path. */
  owned: Map<string, string>
}

/** A cloud in which the team has one of everything that a few requests make. */
async function furnishedCloud(): Promise<{ cloud: TestCloud; owned: Map<string, string>; close: () => Promise<void> }> {
  const ends: (() => unknown)[] = []
  const cloud = await testCloud({ after: (end?: unknown) => void ends.push(end as () => unknown) })
  const [member, admin] = [cloud.as('member'), cloud.as('admin')]
  const owned = new Map<string, string>()
  const make = async (key: string, path: string, body: object, who = member) => {
    const { status, json, text } = await who.post(path, body)
    assert.ok(status < 300, `${path}: ${status} ${text}`)
    const made = json.id ?? (Object.values(json)[0] as { id: string }).id
    owned.set(key, String(made))
    return String(made)
  }
  const network = '/network/v2.0'
  const networkId = await make('network/networks', `${network}/networks`, { network: { name: 'theirs' } })
  const subnet = { network_id: networkId, ip_version: 4, cidr: '10.44.0.0/24' }
  owned.set('network/network-ip-availabilities', networkId)
  await make('network/subnets', `${network}/subnets`, { subnet })
  await make('network/ports', `${network}/ports`, { port: { network_id: networkId } })
  await make('network/routers', `${network}/routers`, { router: { name: 'theirs' } })
  const group = await make('network/security-groups', `${network}/security-groups`, {
    security_group: { name: 'theirs' },
  })
  const rule = { security_group_id: group, direction: 'ingress', protocol: 'tcp' }
  await make('network/security-group-rules', `${network}/security-group-rules`, { security_group_rule: rule })
  await make('network/address-scopes', `${network}/address-scopes`, {
    address_scope: { name: 'theirs', ip_version: 4 },
  })
  const pool = { name: 'theirs', prefixes: ['10.45.0.0/16'] }
  await make('network/subnetpools', `${network}/subnetpools`, { subnetpool: pool })
  const rbac = {
    object_type: 'network',
    object_id: networkId,
    action: 'access_as_shared',
    target_tenant: 'f'.repeat(32),
  }
  await make('network/rbac-policies', `${network}/rbac-policies`, { rbac_policy: rbac })
  const label = { metering_label: { name: 'theirs' } }
  await make('network/metering-labels', `${network}/metering/metering-labels`, label, cloud.as('manager'))
  await make('image/images', '/image/v2/images', { name: 'theirs', visibility: 'private' })
  await make('compute/os-server-groups', '/compute/v2.1/os-server-groups', {
    server_group: { name: 'theirs', policies: ['affinity'] },
  })
  await admin.post('/compute/v2.1/flavors', { flavor: { name: 'tiny', ram: 128, vcpus: 1, disk: 1, id: '1' } })
  const raw = { name: 'tiny', disk_format: 'raw', container_format: 'bare', visibility: 'public' }
  const imageRef = (await admin.post('/image/v2/images', raw)).json.id
  await admin.put(`/image/v2/images/${imageRef}/file`, undefined, { raw: Buffer.alloc(1024) })
  const server = { name: 'theirs', flavorRef: '1', imageRef, networks: [{ uuid: networkId }] }
  await make('compute/servers', '/compute/v2.1/servers', { server })
  await cloud.runTasks()
  const blob = { credential: { type: 'cert', blob: '{}', user_id: member.userId, project_id: member.projectId } }
  await make('identity/credentials', '/identity/v3/credentials', blob, admin)
  await make('identity/groups', '/identity/v3/groups', { group: { name: 'theirs', domain_id: 'default' } }, admin)
  const credentials = `/identity/v3/users/${member.userId}/application_credentials`
  await make('identity/application_credentials', credentials, { application_credential: { name: 'theirs' } })
  const container = `AUTH_${member.projectId}/theirs`
  assert.equal((await member.call('PUT', `/object-store/v1/${container}`)).status, 201)
  owned.set('object-store/v1', container)
  await make('object-keys/keys', '/object-keys/v1/keys', { key: { name: 'theirs' } })
  await cloud.app.audit.flush()
  const { events } = (await member.get('/audit/events?limit=1')).json
  owned.set('audit/events', events[0].id)
  const close = async () => {
    for (const end of ends.toReversed()) await end()
  }
  return { cloud, owned, close }
}

function doorsOf(cloud: TestCloud, owned: Map<string, string>): Door[] {
  const member = cloud.as('member')
  const shared = new Map([
    ['identity/users', member.userId],
    ['identity/projects', member.projectId],
    ['identity/domains', 'default'],
    ['compute/flavors', '1'],
  ])
  return cloud.app.services.flatMap((service) => {
    const at = (route: Route, path: string): Door[] => {
      let isTheirs = false
      const concrete = path.replaceAll(/([^/]*)\/(:[A-Za-z]+|\*)/g, (_, before: string) => {
        const own = owned.get(`${service.name}/${before}`)
        isTheirs ||= own !== undefined
        return `${before}/${own ?? shared.get(`${service.name}/${before}`) ?? someId}`
      })
      const door = (each: Route, name: string, wrap: (body: unknown) => unknown): Door => ({
        name,
        method: each.method,
        path: `${service.mount}${concrete}`,
        policy: each.policy,
        body: readingMethods.includes(each.method) || each.stream ? undefined : wrap(bodyFor(each.body)),
        isTheirs,
      })
      const name = `${service.name} ${route.method} ${path}`
      if (!route.actions) return [door(route, name, (body) => body)]
      return Object.entries(route.actions).map(([action, each]) =>
        door(each, `${name} ${action}`, (body) => ({ [action]: body ?? null })),
      )
    }
    return [
      ...service.routes.flatMap((route) => at(route, `${service.prefix}${route.path}`)),
      ...(service.rootRoutes ?? []).flatMap((route) => at(route, route.path)),
    ]
  })
}

/** A body of the right form, where one can be made up. */
function bodyFor(schema: TSchema | undefined): unknown {
  if (!schema) return undefined
  try {
    return Value.Create(schema)
  } catch {
    return {}
  }
}

/** What is read is tried before what is changed, removals come behind, and last that of those whom all this is about. */
function turn({ method, name }: Door): number {
  if (method !== 'DELETE') return readingMethods.includes(method) ? 0 : 1
  if (!name.startsWith('identity ')) return 2
  return /\/(users|projects|domains)\/:id$/.test(name) ? 4 : 3
}

/** A token of somebody whose role is not in the team's project. */
async function tokenElsewhere(cloud: TestCloud, who: keyof typeof elsewhere): Promise<string> {
  const admin = cloud.as('admin')
  const v3 = '/identity/v3'
  const { role, at } = elsewhere[who]
  const make = async (path: string, body: object): Promise<string> => {
    const { status, json, text } = await admin.post(v3 + path, body)
    assert.equal(status, 201, text)
    return (Object.values(json)[0] as { id: string }).id
  }
  const domain = at === 'home' ? 'default' : await make('/domains', { domain: { name: 'abroad' } })
  const project = at === 'project' ? await make('/projects', { project: { name: 'abroad', domain_id: domain } }) : ''
  const password = 'a long enough Passw0rd'
  const id = await make('/users', { user: { name: 'abroad', password, domain_id: domain } })
  const [scope, path] = {
    project: [{ project: { id: project } }, `/projects/${project}`],
    domain: [{ domain: { id: domain } }, `/domains/${domain}`],
    home: [{ domain: { id: domain } }, `/domains/${domain}`],
    system: [{ system: { all: true } }, '/system'],
  }[at] as [object, string]
  const roleId = (await admin.get(`${v3}/roles?name=${role}`)).json.roles[0].id
  assert.equal((await admin.put(`${v3}${path}/users/${id}/roles/${roleId}`)).status, 204)
  const auth = { identity: { methods: ['password'], password: { user: { id, password } } }, scope }
  const made = await cloud.as('stranger').post(`${v3}/auth/tokens`, { auth })
  assert.equal(made.status, 201, made.text)
  return made.headers['x-subject-token'] ?? ''
}

async function tourOf(who: Body): Promise<Tour> {
  const { cloud, owned, close } = await furnishedCloud()
  const headers = isElsewhere(who) ? { 'x-auth-token': await tokenElsewhere(cloud, who) } : {}
  const client = cloud.as(who === 'nobody' || isElsewhere(who) ? 'stranger' : who)
  const tried: Tried[] = []
  for (const door of doorsOf(cloud, owned).toSorted((a, b) => turn(a) - turn(b))) {
    const { status, text } = await client.call(door.method, door.path, door.body, { headers })
    tried.push({ door, status, text })
  }
  await close()
  return { tried, owned }
}

const tours = new Map<Body, Tour>()
before(async () => {
  for (const who of [...everybody, ...besides]) tours.set(who, await tourOf(who))
})
after(() => tours.clear())

const tourBy = (who: Body): Tour => tours.get(who) ?? assert.fail(`${who} was not sent round`)
const isDone = ({ status }: Tried) => status < 300
const named = (all: Tried[]) => all.map(({ door, status }) => `${door.name}: ${status}`)

test('without a token nothing is done, but at the public doors', () => {
  const wrong = tourBy('nobody').tried.filter((each) => isDone(each) && each.door.policy !== 'public')
  assert.deepEqual(named(wrong), [])
})

test('a member of another project reads and changes nothing of the team', () => {
  const wrong = tourBy('other').tried.filter(
    (each) => isDone(each) && each.door.isTheirs && each.door.policy !== 'public',
  )
  assert.deepEqual(named(wrong), [])
})

test('no list that a member of another project reads has anything of the team', () => {
  const { tried, owned } = tourBy('other')
  const seen = tried.filter(
    ({ door, status, text }) =>
      status < 300 && door.method === 'GET' && !door.isTheirs && [...owned.values()].some((id) => text.includes(id)),
  )
  assert.deepEqual(named(seen), [])
})

// What is the team's and stands in lists of those whose role is elsewhere. Services plug guests into networks; the system's
// readers see whoever there is and what they may sign in with; a domain's manager sees its people.
const people = {
  'identity GET /v3/groups': ['identity/groups'],
  'identity GET /v3/projects': ['identity/projects'],
  'identity GET /v3/role_assignments': ['identity/projects', 'identity/users'],
  'identity GET /v3/users': ['identity/users'],
}
const foundInLists = {
  service: {
    'network GET /v2.0/network-ip-availabilities': ['identity/projects', 'network/networks', 'network/subnets'],
    'network GET /v2.0/networks': ['identity/projects', 'network/networks', 'network/subnets'],
    'network GET /v2.0/ports': [
      'compute/servers',
      'identity/projects',
      'network/networks',
      'network/ports',
      'network/subnets',
    ],
    'network GET /v2.0/subnets': ['identity/projects', 'network/networks', 'network/subnets'],
  },
  observer: {
    ...people,
    'identity GET /v3/credentials': ['identity/credentials', 'identity/projects', 'identity/users'],
    'identity GET /v3/users/:userId/application_credentials': ['identity/application_credentials'],
  },
  steward: people,
  neighbour: {},
}
for (const [who, expected] of Object.entries(foundInLists))
  test(`the lists that a ${who} reads have what they should of the team, and nothing else`, () => {
    const { tried, owned } = tourBy(who as keyof typeof foundInLists)
    const found: Record<string, string[]> = {}
    for (const { door, status, text } of tried) {
      if (status >= 300 || door.method !== 'GET' || door.isTheirs) continue
      // below what the path names, that is in the links of everything
      const isBelow = door.name.includes('/:')
      const ids = new Map([...(isBelow ? [] : theirPeople), ...[...owned].toReversed()].map(([key, id]) => [id, key]))
      const kinds = [...ids].flatMap(([id, key]) => (text.includes(id) ? key : []))
      if (kinds.length > 0) found[door.name] = kinds.toSorted()
    }
    assert.deepEqual(found, expected)
  })

// Services do with ports what their guests need; a domain's manager decides who is in its groups, and of them.
const changes = {
  reader: [],
  observer: [],
  service: ['network PUT /v2.0/ports/:id: 200', 'network DELETE /v2.0/ports/:id: 204'],
  neighbour: [],
  steward: ['identity PUT /v3/groups/:id/users/:userId: 204', 'identity DELETE /v3/groups/:id: 204'],
}
for (const [who, expected] of Object.entries(changes))
  test(`a ${who} changes of the team ${expected.length === 0 ? 'nothing' : 'only what they are for'}`, () => {
    const done = tourBy(who as keyof typeof changes).tried.filter(
      (each) => isDone(each) && each.door.isTheirs && !readingMethods.includes(each.door.method),
    )
    assert.deepEqual(named(done), expected)
  })

test('nothing that anybody tries makes a 500', () => {
  const wrong = everybody.flatMap((who) =>
    tourBy(who)
      .tried.filter(({ status }) => status >= 500 && status !== 501)
      .map(({ door, status, text }) => `${who}: ${door.name}: ${status} ${text.slice(0, 200)}`),
  )
  assert.deepEqual(wrong, [])
})

test('who is answered what is as it was reviewed', () => {
  const table: Record<string, string> = {}
  for (const who of everybody)
    for (const { door, status } of tourBy(who).tried)
      table[door.name] = `${table[door.name] === undefined ? '' : `${table[door.name]}, `}${who} ${status}`
  const sorted = Object.fromEntries(Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  if (process.env['PILEUS_TEST_UPDATE']) writeFileSync(tableFile, `${JSON.stringify(sorted, null, 2)}\n`)
  assert.deepEqual(sorted, JSON.parse(readFileSync(tableFile, 'utf8')), 'PILEUS_TEST_UPDATE=1 writes the table anew')
})
