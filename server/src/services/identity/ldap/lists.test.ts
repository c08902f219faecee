// What a directory has, listed and found, against a real OpenLDAP server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject } from '../testing.ts'
import {
  addGroup,
  addPerson,
  directoryDomain,
  groupsDn,
  idsOf,
  trySignIn,
  usersDn,
  usualOptions,
} from './domain.testing.ts'
import { type Slapd, slapdMissing, startSlapd } from './slapd.testing.ts'

const namesOf = (rows: { name: string }[]) => rows.map(({ name }) => name).toSorted()

describe('lists of a directory', { skip: slapdMissing }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd({ limit: 20 })
    await addPerson(slapd, 'ada', {
      mail: 'ada@example.org',
      description: 'first',
      title: 'countess',
      employeeNumber: teamProject,
    })
    for (const uid of ['bob', 'eve']) await addPerson(slapd, uid)
    await slapd.add(`uid=o\\2cdd \\28star*\\29,${usersDn}`, {
      objectClass: 'inetOrgPerson',
      uid: 'o,dd (star*)',
      cn: 'odd',
      sn: 'odd',
      userPassword: 'odd',
    })
    await slapd.add(`ou=deep,${usersDn}`, { objectClass: 'organizationalUnit', ou: 'deep' })
    await slapd.add(`uid=low,ou=deep,${usersDn}`, {
      objectClass: 'inetOrgPerson',
      uid: 'low',
      cn: 'low',
      sn: 'low',
      userPassword: "low's",
    })
    await addGroup(slapd, 'inner', ['ada'], { description: 'those inside' })
    await addGroup(slapd, 'outer', ['cn=inner', 'bob'])
    // a circle, and a member that is not there
    await addGroup(slapd, 'circle', ['cn=outer', 'ghost'])
    await slapd.set(`cn=inner,${groupsDn}`, 'member', [`uid=ada,${usersDn}`, `cn=circle,${groupsDn}`])
    await slapd.add(`cn=unix,${groupsDn}`, {
      objectClass: 'posixGroup',
      cn: 'unix',
      gidNumber: '100',
      memberUid: ['ada', 'eve', 'ghost'],
    })
  })
  after(() => slapd?.stop())
  const listed = async (cloud: TestCloud, path: string) => {
    const { status, json, text } = await asAdmin(cloud).get(path)
    assert.equal(status, 200, text)
    return namesOf((json.users ?? json.groups) as { name: string }[])
  }

  test('users and groups are listed, filtered, paged and shown with what is mapped', async (t) => {
    const cloud = await testCloud(t)
    const admin = asAdmin(cloud)
    const domain = await directoryDomain(cloud, 'corp', {
      ...usualOptions(slapd),
      user_attribute_ignore: [],
      user_default_project_id_attribute: 'employeeNumber',
      user_additional_attribute_mapping: ['title:rank', 'cn:name'],
    })
    assert.deepEqual(await listed(cloud, `/users?domain_id=${domain}`), ['ada', 'bob', 'eve', 'o,dd (star*)'])
    assert.deepEqual(await listed(cloud, `/groups?domain_id=${domain}`), ['circle', 'inner', 'outer'])
    const { ada } = await idsOf(cloud, 'users', domain)
    const { user } = (await admin.get(`/users/${ada}`)).json
    assert.match(user.id, /^[0-9a-f]{64}$/)
    assert.deepEqual(
      [user.name, user.email, user.description, user.default_project_id, user.rank, user.enabled, user.options],
      ['ada', 'ada@example.org', 'first', teamProject, 'countess', true, {}],
    )
    assert.equal('local_id' in user, false)
    const inDomain = (query: string) => listed(cloud, `/users?domain_id=${domain}&${query}`)
    assert.deepEqual(await inDomain('name=ADA'), ['ada'])
    assert.deepEqual(await inDomain('name__startswith=e'), ['eve'])
    assert.deepEqual(await inDomain('name__contains=o'), ['bob', 'o,dd (star*)'])
    assert.deepEqual(await inDomain('name__endswith=b'), ['bob'])
    assert.deepEqual(await inDomain('enabled=false'), [])
    const first = await admin.get(`/users?domain_id=${domain}&limit=3`)
    assert.equal(first.json.users.length, 3)
    const next = await admin.get(String(first.json.links.next).split('/v3')[1]!)
    assert.deepEqual([...namesOf(first.json.users), ...namesOf(next.json.users)].toSorted(), await inDomain(''))
    // without a domain, those that were seen
    assert.ok((await listed(cloud, '/users')).includes('ada'))
    const project = { project: { name: 'x', domain_id: domain } }
    await made(admin.post('/projects', project))
  })

  test('what is asked for never becomes a part of the question', async (t) => {
    const cloud = await testCloud(t)
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const odd = [
      '*',
      'a*',
      '*)(uid=*',
      'ada)(objectClass=*',
      '(ada)',
      String.raw`\61da`,
      'ada))(|(uid=*',
      '&',
      '!(uid=ada)',
    ]
    for (const name of odd)
      for (const how of ['', '__contains', '__startswith'])
        for (const noun of ['users', 'groups'])
          if (!(how === '__contains' && name === '*' && noun === 'users'))
            assert.deepEqual(
              await listed(cloud, `/${noun}?domain_id=${domain}&name${how}=${encodeURIComponent(name)}`),
              [],
              name,
            )
    // a name that is made of such characters is found as it is, and signs in
    assert.deepEqual(await listed(cloud, `/users?domain_id=${domain}&name=${encodeURIComponent('o,dd (star*)')}`), [
      'o,dd (star*)',
    ])
    assert.deepEqual(await listed(cloud, `/users?domain_id=${domain}&name__contains=*`), ['o,dd (star*)'])
    assert.equal(await trySignIn(cloud, 'o,dd (star*)', domain, 'odd'), 201)
  })

  test("the scope, the trees and the operator's own filter bound what there is", async (t) => {
    const cloud = await testCloud(t)
    const options = usualOptions(slapd)
    const deep = await directoryDomain(cloud, 'deep', { ...options, query_scope: 'sub' })
    assert.ok((await listed(cloud, `/users?domain_id=${deep}`)).includes('low'))
    const tree = await directoryDomain(cloud, 'tree', { ...options, user_tree_dn: `ou=deep,${usersDn}` })
    assert.deepEqual(await listed(cloud, `/users?domain_id=${tree}`), ['low'])
    assert.equal(await trySignIn(cloud, 'ada', tree), 401)
    const filtered = await directoryDomain(cloud, 'filtered', { ...options, user_filter: '(|(uid=bob)(mail=*))' })
    assert.deepEqual(await listed(cloud, `/users?domain_id=${filtered}`), ['ada', 'bob'])
    assert.equal(await trySignIn(cloud, 'eve', filtered), 401)
    for (const [name, wrong] of Object.entries({
      filter: { user_filter: '(uid=bob' },
      gone: { user_tree_dn: 'ou=nowhere,dc=example,dc=org' },
      account: { password: 'wrong' },
      url: { url: 'http://127.0.0.1' },
    })) {
      const domain = await directoryDomain(cloud, name, { ...options, ...wrong })
      assert.equal((await asAdmin(cloud).get(`/users?domain_id=${domain}`)).status, 503, name)
      assert.equal(await trySignIn(cloud, 'ada', domain), 503, name)
    }
  })

  test('more than the server gives at once comes in pages, and never as a part that looks whole', async (t) => {
    const cloud = await testCloud(t)
    for (let i = 0; i < 30; i++) await addPerson(slapd, `many${i}`, { employeeType: 'many' })
    const many = { ...usualOptions(slapd), user_filter: '(employeeType=many)' }
    const paged = await directoryDomain(cloud, 'paged', { ...many, page_size: '7' })
    await slapd.operations()
    assert.equal((await listed(cloud, `/users?domain_id=${paged}`)).length, 30)
    assert.equal((await slapd.operations()).match(/SEARCH RESULT.* nentries=[1-7] /g)?.length, 5)
    const whole = await directoryDomain(cloud, 'whole', many)
    const answer = await asAdmin(cloud).get(`/users?domain_id=${whole}`)
    assert.equal(answer.status, 503)
    assert.match(answer.json.error.message, /page_size/)
    const limited = await directoryDomain(cloud, 'limited', { ...many, page_size: 10 }, { list_limit: 12 })
    assert.equal((await listed(cloud, `/users?domain_id=${limited}`)).length, 12)
  })

  test('members are read by name, by id, and through other groups where it is asked for', async (t) => {
    const cloud = await testCloud(t)
    const admin = asAdmin(cloud)
    const options = { ...usualOptions(slapd), page_size: 10 }
    const plain = await directoryDomain(cloud, 'plain', options)
    const groups = await idsOf(cloud, 'groups', plain)
    const users = await idsOf(cloud, 'users', plain)
    assert.deepEqual(await listed(cloud, `/groups/${groups['outer']}/users`), ['bob'])
    assert.deepEqual(await listed(cloud, `/users/${users['ada']}/groups`), ['inner'])
    assert.equal((await admin.head(`/groups/${groups['inner']}/users/${users['ada']}`)).status, 204)
    assert.equal((await admin.head(`/groups/${groups['outer']}/users/${users['ada']}`)).status, 404)

    const nested = await directoryDomain(cloud, 'nested', { ...options, group_ad_nesting: 'true' })
    const below = await idsOf(cloud, 'groups', nested)
    const { ada } = await idsOf(cloud, 'users', nested)
    assert.deepEqual(await listed(cloud, `/groups/${below['circle']}/users`), ['ada', 'bob'])
    assert.deepEqual(await listed(cloud, `/users/${ada}/groups`), ['circle', 'inner', 'outer'])
    await admin.put(`/projects/${teamProject}/groups/${below['circle']}/roles/${await roleId(cloud, 'reader')}`)
    const query = `/role_assignments?effective&user.id=${ada}&scope.project.id=${teamProject}`
    assert.equal((await admin.get(query)).json.role_assignments.length, 1)

    const posix = await directoryDomain(cloud, 'posix', {
      ...options,
      group_objectclass: 'posixGroup',
      group_member_attribute: 'memberUid',
      group_members_are_ids: true,
    })
    const { unix } = await idsOf(cloud, 'groups', posix)
    assert.deepEqual(await listed(cloud, `/groups/${unix}/users`), ['ada', 'eve'])
    assert.deepEqual(await listed(cloud, `/users/${(await idsOf(cloud, 'users', posix))['eve']}/groups`), ['unix'])
  })

  test('who is enabled is said by an attribute, the other way round, or by a group', async (t) => {
    const cloud = await testCloud(t)
    const options = { ...usualOptions(slapd), user_filter: '(|(uid=open)(uid=shut)(uid=unsaid))' }
    for (const uid of ['open', 'shut', 'unsaid'])
      await addPerson(slapd, uid, { objectClass: ['inetOrgPerson', 'lockable'] })
    await slapd.set(`uid=open,${usersDn}`, 'accountLocked', ['FALSE'])
    await slapd.set(`uid=shut,${usersDn}`, 'accountLocked', ['TRUE'])
    const lock = { user_enabled_attribute: 'accountLocked', user_enabled_invert: true, user_enabled_default: 'False' }
    const inverted = await directoryDomain(cloud, 'inverted', { ...options, ...lock })
    const statuses = (domain: string) =>
      Promise.all(['open', 'shut', 'unsaid'].map((name) => trySignIn(cloud, name, domain)))
    assert.deepEqual(await statuses(inverted), [201, 401, 201])
    assert.deepEqual(await listed(cloud, `/users?domain_id=${inverted}&enabled=false`), ['shut'])
    await addGroup(slapd, 'enabled', ['unsaid', 'shut'])
    const emulation = { user_enabled_emulation: true, user_enabled_emulation_dn: `CN=enabled, ${groupsDn}` }
    const emulated = await directoryDomain(cloud, 'emulated', { ...options, ...emulation })
    assert.deepEqual(await statuses(emulated), [401, 201, 201])
  })
})
