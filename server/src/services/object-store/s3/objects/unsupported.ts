// Headers with an object that ask for what there is not: refused, for a client that is not told would count on it. Whoever makes one work
// takes it out of here.
import { refuse } from '../wire/errors.ts'
import type { S3Request } from '../wire/request.ts'

const refused = /^x-amz-(write-offset-bytes$|mfa$)/

/** Throws NotImplemented naming the header. */
export function requireSupported(request: S3Request): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  for (const name of Object.keys(request.headers)) {
    if (refused.test(name)) refuse('NotImplemented', undefined, { Header: name })
  }
}
