// What the tests of directories share: a domain that a real one keeps, and people in it.
import type { TestCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, type Scope, signIn, tokenFor } from '../testing.ts'
import { account, type Slapd, suffix } from './slapd.testing.ts'

export const usersDn = `ou=Users,${suffix}`
export const groupsDn = `ou=UserGroups,${suffix}`
const userDn = (uid: string) => `uid=${uid},${usersDn}`
export const groupDn = (cn: string) => `cn=${cn},${groupsDn}`

export const addPerson = (slapd: Slapd, uid: string, more: Record<string, string | string[]> = {}) =>
  slapd.add(userDn(uid), { objectClass: 'inetOrgPerson', uid, cn: uid, sn: uid, userPassword: `${uid}'s`, ...more })
export const addGroup = (slapd: Slapd, cn: string, members: string[], more: Record<string, string> = {}) =>
  slapd.add(groupDn(cn), { objectClass: 'groupOfNames', cn, member: members.map(dnOf), ...more })
/** 'cn=…' is a group, anything else a user. */
export const dnOf = (name: string) => (name.startsWith('cn=') ? `${name},${groupsDn}` : userDn(name))

export const usualOptions = (slapd: Slapd) => ({
  url: slapd.url,
  suffix,
  ...account,
  user_id_attribute: 'uid',
  user_name_attribute: 'uid',
  group_name_attribute: 'cn',
})

/** A new domain with that directory. Returns its id. */
export async function directoryDomain(
  cloud: TestCloud,
  name: string,
  options: Record<string, unknown>,
  identity: Record<string, unknown> = {},
): Promise<string> {
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/domains', { domain: { name } }))
  await made(
    admin.put(`/domains/${id}/config`, { config: { identity: { driver: 'ldap', ...identity }, ldap: options } }),
  )
  return id
}

export const authOf = (name: string, domainId: string, scope?: Scope, password = `${name}'s`) =>
  passwordAuth({ name, domain: { id: domainId } }, password, scope)
/** The status of a sign-in. */
export const trySignIn = async (cloud: TestCloud, name: string, domainId: string, password?: string) =>
  (await signIn(cloud, authOf(name, domainId, undefined, password))).status
export const tokenOf = (cloud: TestCloud, name: string, domainId: string, scope?: Scope) =>
  tokenFor(cloud, authOf(name, domainId, scope))

/** Ids by name, of users or groups of the domain. */
export async function idsOf(
  cloud: TestCloud,
  noun: 'users' | 'groups',
  domainId: string,
): Promise<Record<string, string>> {
  const { json } = await asAdmin(cloud).get(`/${noun}?domain_id=${domainId}`)
  return Object.fromEntries((json[noun] as { id: string; name: string }[]).map(({ id, name }) => [name, id]))
}
