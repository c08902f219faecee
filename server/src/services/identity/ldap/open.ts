import type { OpenDirectory } from '../directories/directories.ts'

/** LDAP's code is loaded with the first domain that has a directory: most clouds have none. */
export const openLdapDirectory: OpenDirectory = async (domainId, config, log) => {
  const { ldapDirectory } = await import('./directory.ts')
  return ldapDirectory(domainId, config, log)
}
