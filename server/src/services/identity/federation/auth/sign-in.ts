// The one way from what a provider says to a token, whatever protocol it said it by: the mapping makes a user of it, with
// groups and projects; the token is sealed as everybody's.
import { and, type Db, eq, inArray, type Tx } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import { findSignInByName } from '../../directories/sign-in.ts'
import { group } from '../../model.ts'
import { type Issued, issueProved } from '../../tokens/issue.ts'
import type { Receipt } from '../../tokens/receipt.ts'
import type { TokenReader } from '../../tokens/resolve.ts'
import { findSignIn, type SignIn } from '../../users/sign-in.ts'
import type { IdentityProvider } from '../identity-providers/model.ts'
import { type Attributes, evaluate, type Mapped, type MappedUser } from '../mappings/engine.ts'
import { findMapping } from '../mappings/model.ts'
import { type Mapping, parseMapping } from '../mappings/rules.ts'
import type { Protocol } from '../protocols/model.ts'
import { findVouched, insertVouched, refreshVouched, replaceMemberships, type VouchedAs } from '../users/model.ts'
import { domainIdOf, provisionProjects } from './projects.ts'
import { refuse } from './refusal.ts'

/** By what a provider is asked: both there, and the provider enabled. */
export interface Spoken {
  provider: IdentityProvider
  protocol: Protocol
}
/** What was proved to be the provider's word. */
export interface Vouched extends Spoken {
  attributes: Attributes
}

/** A token for whom the mapping makes of it, or a receipt for a local user who has to prove more. Throws unauthenticated. */
export async function issueVouched(
  world: World,
  reader: TokenReader,
  vouched: Vouched,
  address: string,
): Promise<Issued | Receipt> {
  requireRemoteId(vouched)
  const mapping = await readMapping(world.db, vouched.protocol)
  const mapped = evaluate(mapping, vouched.attributes)
  if ('why' in mapped) return refuse(mapped.why)
  const isLocal = mapped.user.type === 'local'
  const signIn = isLocal
    ? await findLocal(world, mapped.user, vouched.provider, address)
    : await findSignIn(world, address, { id: await saveUser(world, vouched, mapping, mapped) })
  if (!signIn.user || !signIn.open) return refuse('The user is not there, disabled, or held back.')
  const proof = {
    user: signIn.user,
    methods: ['mapped' as const],
    parent: undefined,
    applicationCredential: undefined,
    accessToken: undefined,
    signIns: [signIn],
  }
  return issueProved(world, reader, proof, isLocal ? undefined : 'unscoped')
}

/** Where the protocol says in which attribute the provider names itself, it must be one of its names. */
function requireRemoteId({ provider, protocol, attributes }: Vouched): void {
  if (!protocol.remoteIdAttribute || provider.remoteIds.length === 0) return
  const said = attributes.get(protocol.remoteIdAttribute) ?? []
  if (!said.some((each) => provider.remoteIds.includes(each)))
    refuse(`${protocol.remoteIdAttribute} is '${said.join(';')}', which is none of the provider's remote ids.`)
}

async function readMapping(db: Db, { mappingId }: Protocol): Promise<Mapping> {
  const row = await findMapping(db, mappingId)
  if (!row) return refuse(`The mapping ${mappingId} is not there.`)
  const mapping = parseMapping(row.rules, row.schemaVersion)
  return typeof mapping === 'string' ? refuse(mapping) : mapping
}

async function findLocal(
  world: World,
  mapped: MappedUser,
  provider: IdentityProvider,
  address: string,
): Promise<SignIn> {
  if (mapped.id !== undefined) return findSignIn(world, address, { id: mapped.id })
  if (mapped.name === undefined) return refuse('The mapping gives a local user neither a name nor an id.')
  const who = { name: mapped.name, domain: mapped.domain ?? { id: provider.domainId } }
  return findSignInByName(world, address, who, await findSignIn(world, address, who))
}

/** The user's row as the provider has them now, with groups and projects. Other processes are told where that changes tokens. */
async function saveUser(world: World, vouched: Vouched, mapping: Mapping, mapped: Mapped): Promise<string> {
  const { provider, protocol } = vouched
  const { id, email } = mapped.user
  const name = (mapped.user.name ?? '').trim().slice(0, 255)
  const as: VouchedAs = { providerId: provider.id, protocolId: protocol.id, uniqueId: quoted(id ?? name) }
  const lastsMs = Math.max(world.config.tokenHours * 3_600_000, (provider.authorizationTtlMinutes ?? 0) * 60_000)
  return world.db.transaction(async (tx) => {
    const domainId = mapped.user.domain ? await domainIdOf(tx, mapped.user.domain) : provider.domainId
    const before = await findVouched(tx, as)
    const row = before ?? (await insertVouched(tx, as, { domainId, name, email: email ?? null }))
    const renamed = await refreshVouched(tx, row, { name, ...(email !== undefined && { email }) })
    const regrouped = await replaceMemberships(tx, row.id, await groupIdsOf(tx, mapped), new Date(Date.now() + lastsMs))
    const provisioned = await provisionProjects(tx, {
      userId: row.id,
      domainId: provider.domainId,
      projects: mapped.projects,
      takesAway: mapping.version === '3.0',
    })
    if (renamed || regrouped || provisioned) await tx.publish('identity', 'changed')
    return row.id
  })
}

/** An id as Keystone keeps it: as it would stand in a URL. */
const quoted = (text: string) => encodeURIComponent(text).replaceAll('%2F', '/')

/** Those that are there: a group that is not gives nothing, as Keystone's manual has it. */
async function groupIdsOf(tx: Tx, mapped: Mapped): Promise<string[]> {
  const byId =
    mapped.groupIds.length === 0
      ? []
      : await tx
          .select({ id: group.id })
          .from(group)
          .where(and(inArray(group.id, mapped.groupIds), eq(group.gone, false)))
  const ids = new Set(byId.map((each) => each.id))
  for (const { name, domain } of mapped.groupNames) {
    const domainId = await domainIdOf(tx, domain)
    const [found] = await tx
      .select({ id: group.id })
      .from(group)
      .where(and(eq(group.name, name), eq(group.domainId, domainId), eq(group.gone, false)))
    if (found) ids.add(found.id)
  }
  return [...ids].toSorted()
}
