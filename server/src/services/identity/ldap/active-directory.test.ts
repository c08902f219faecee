// Active Directory's shapes, by a schema that a real OpenLDAP server is given.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin } from '../testing.ts'
import {
  authOf,
  directoryDomain,
  groupsDn,
  idsOf,
  tokenOf,
  trySignIn,
  usersDn,
  usualOptions,
} from './domain.testing.ts'
import { type Slapd, slapdMissing, startSlapd } from './slapd.testing.ts'
import { signIn, withToken } from '../testing.ts'

const guid = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
// these 16 bytes look like text
const textGuid = Buffer.from('abcdefghijklmnop')

describe('active directory', { skip: slapdMissing }, () => {
  let slapd: Slapd
  const user = (cn: string, sAMAccountName: string, objectGUID: Buffer, userAccountControl: string) =>
    slapd.add(`cn=${cn},${usersDn}`, {
      ...{ objectClass: 'user', cn, sn: cn, sAMAccountName, objectGUID, userAccountControl },
      userPassword: `${sAMAccountName}'s`,
    })
  before(async () => {
    slapd = await startSlapd()
    await user('Ada Lovelace', 'ada', guid, '512')
    await user('Eve', 'eve', textGuid, '514')
    await slapd.add(`cn=Staff,${groupsDn}`, {
      ...{ objectClass: 'group', cn: 'Staff', sAMAccountName: 'staff' },
      objectGUID: Buffer.from('ffeeddccbbaa99887766554433221100', 'hex'),
      member: [`cn=Ada Lovelace,${usersDn}`, `cn=Eve,${usersDn}`],
    })
  })
  after(() => slapd?.stop())
  const options = () => ({
    ...usualOptions(slapd),
    user_objectclass: 'user',
    user_id_attribute: 'objectGUID',
    user_name_attribute: 'sAMAccountName',
    user_enabled_attribute: 'userAccountControl',
    user_enabled_mask: 2,
    user_enabled_default: 512,
    group_objectclass: 'group',
    group_id_attribute: 'objectGUID',
    group_name_attribute: 'sAMAccountName',
    group_ad_nesting: true,
  })

  test('accounts are known by their GUID, through every new name, and disabled by a bit', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 0 })
    const domain = await directoryDomain(cloud, 'corp', options())
    const { ada, eve } = await idsOf(cloud, 'users', domain)
    const id = (text: string) => createHash('sha256').update(`${domain}user${text}`).digest('hex')
    assert.equal(ada, id('33221100-5544-7766-8899-aabbccddeeff'))
    assert.equal(eve, id('64636261-6665-6867-696a-6b6c6d6e6f70'))
    assert.equal(await trySignIn(cloud, 'ada', domain), 201)
    assert.equal(await trySignIn(cloud, 'eve', domain), 401)
    const { users } = (await asAdmin(cloud).get(`/users?domain_id=${domain}&enabled=false`)).json
    assert.deepEqual(
      users.map(({ name }: { name: string }) => name),
      ['eve'],
    )
    const { staff } = await idsOf(cloud, 'groups', domain)
    assert.equal((await asAdmin(cloud).get(`/groups/${staff}/users`)).json.users.length, 2)

    const person = withToken(cloud, await tokenOf(cloud, 'ada', domain))
    await slapd.set(`cn=Ada Lovelace,${usersDn}`, 'sAMAccountName', ['countess'])
    assert.equal((await person.get('/auth/projects')).status, 200)
    assert.equal((await asAdmin(cloud).get(`/users/${ada}`)).json.user.name, 'countess')
    const renamed = await signIn(cloud, authOf('countess', domain, undefined, "ada's"))
    assert.equal(renamed.json.token.user.id, ada)
    // a new account may have the old name: it is somebody else
    await user('Ada Byron', 'ada', Buffer.alloc(16, 7), '512')
    const other = await signIn(cloud, authOf('ada', domain))
    assert.equal(other.status, 201)
    assert.notEqual(other.json.token.user.id, ada)
    await slapd.set(`cn=Ada Lovelace,${usersDn}`, 'userAccountControl', ['514'])
    assert.equal((await person.get('/auth/projects')).status, 401)
  })
})
