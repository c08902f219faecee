// What identity's tests share: people who sign in by the API.
import assert from 'node:assert/strict'
import type { Answer, TestCloud } from '#lib/testing/cloud.ts'

export const v3 = '/identity/v3'
export const teamProject = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

export interface Scope {
  project?: { id: string }
  domain?: { id: string }
  system?: { all: true }
  unscoped?: object
  'OS-TRUST:trust'?: { id: string }
}

export function passwordAuth(user: object, password: string, scope?: Scope): object {
  return {
    auth: { identity: { methods: ['password'], password: { user: { ...user, password } } }, ...(scope && { scope }) },
  }
}
export function tokenAuth(id: string, scope?: Scope): object {
  return { auth: { identity: { methods: ['token'], token: { id } }, ...(scope && { scope }) } }
}

/** Asks for a token; the answer's header has it. */
export function signIn(cloud: TestCloud, auth: object): Promise<Answer> {
  return cloud.as('stranger').post(`${v3}/auth/tokens`, auth)
}
/** The same, for those who must get one. */
export async function tokenFor(cloud: TestCloud, auth: object): Promise<string> {
  const { status, headers, text } = await signIn(cloud, auth)
  assert.equal(status, 201, text)
  return headers['x-subject-token']!
}

/** A client that carries this token. */
export function withToken(cloud: TestCloud, token: string) {
  const stranger = cloud.as('stranger')
  const options = { headers: { 'x-auth-token': token } }
  return {
    get: (path: string) => stranger.get(v3 + path, options),
    head: (path: string) => stranger.head(v3 + path, options),
    post: (path: string, body?: unknown) => stranger.post(v3 + path, body, options),
    put: (path: string, body?: unknown) => stranger.put(v3 + path, body, options),
    patch: (path: string, body?: unknown) => stranger.patch(v3 + path, body, options),
    delete: (path: string) => stranger.delete(v3 + path, options),
  }
}
export type Person = ReturnType<typeof withToken>

export const asAdmin = (cloud: TestCloud): Person => withToken(cloud, cloud.as('admin').token)

/** Makes what is asked for, which must succeed. */
export async function made(answer: Promise<Answer>): Promise<{ id: string } & Record<string, unknown>> {
  const { status, json, text } = await answer
  assert.equal(status, 201, text)
  return Object.values(json as Record<string, { id: string } & Record<string, unknown>>)[0]!
}

export async function roleId(cloud: TestCloud, name: string): Promise<string> {
  const { json } = await asAdmin(cloud).get(`/roles?name=${name}`)
  return json.roles[0].id as string
}

/** A user with a password and a role in the team's project. */
export async function teammate(cloud: TestCloud, name: string, role = 'member'): Promise<string> {
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/users', { user: { name, password: `${name}'s` } }))
  await admin.put(`/projects/${teamProject}/users/${id}/roles/${await roleId(cloud, role)}`)
  return id
}
