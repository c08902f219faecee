// The door of identity.
export { bootstrap } from './bootstrap.ts'
export { keepCatalogFresh } from './catalog/model.ts'
export { identityService } from './service.ts'
export { type AccessKey, type AccessKeys, accessKeys } from './tokens/access-keys.ts'
export { type TokenReader, tokenReader } from './tokens/resolve.ts'
export { setPasswordConcurrency } from './users/password.ts'
export { mintToken } from './tokens/issue.ts'
export { findUserIdByName } from './users/by-name.ts'
