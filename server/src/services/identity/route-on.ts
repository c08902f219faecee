// Routes about one thing. Keystone asks the policy before it says that a thing is not there, so that a stranger gets the
// same 403 for what exists and for what does not; only those who may see all of its kind get a 404. Where its own code
// looks first (`tells`), everybody with a token gets the 404; ids that cannot be guessed are all that such things have.
import type { Static, TSchema } from 'typebox'
import { notFound } from '#lib/fault.ts'
import { type Method, type Request, route, type Route } from '#lib/http/route.ts'

type Shape<Body> = Body extends TSchema ? Static<Body> : undefined

interface SpecOn<Row, Body extends TSchema | undefined> {
  method: Method
  path: string
  policy: string
  body?: Body
  status?: number
  noun: string
  /** The parameter that names it; `id` unless said. */
  param?: string
  /** What is not there is a 404 for everybody. */
  tells?: boolean
  find: (req: Pick<Request, 'db' | 'params' | 'actor' | 'world'>) => Promise<Row | undefined>
  /** What the policy is asked about; without a row, what is known without it. */
  about: (row: Row | undefined, req: Request<Shape<Body>>) => Record<string, unknown>
  handle(req: Request<Shape<Body>>, row: Row): Promise<unknown>
}

export function routeOn<Row, Body extends TSchema | undefined = undefined>(spec: SpecOn<Row, Body>): Route {
  const { method, path, policy, body, status, noun, param = 'id', tells = false, find, about, handle } = spec
  return route<Body, { row: Row | undefined }>({
    method,
    path,
    policy,
    ...(body && { body }),
    ...(status !== undefined && { status }),
    target: async (req) => {
      const row = await find(req)
      return tells && !row ? notFound(noun, req.params[param] ?? '') : { row }
    },
    policyTarget: ({ row }, req) => about(row, req as Request<Shape<Body>>),
    handle: async (req, { row }) => handle(req as Request<Shape<Body>>, row ?? notFound(noun, req.params[param] ?? '')),
  })
}
