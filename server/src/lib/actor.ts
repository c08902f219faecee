/** Who asks: what a token says, with the roles it stands for now. Frozen and shared by all requests of one token. */
export interface Actor {
  readonly userId: string
  readonly userName: string
  readonly userDomainId: string
  /** Project scope; null for domain, system and unscoped tokens. */
  readonly projectId: string | null
  readonly projectName: string | null
  readonly projectDomainId: string | null
  /** Domain scope. */
  readonly domainId: string | null
  /** System scope. */
  readonly system: boolean
  /** Names, implied ones included. */
  readonly roles: readonly string[]
  readonly isAdmin: boolean
  readonly trustId: string | null
  readonly applicationCredentialId: string | null
}

/** The project that the actor acts in; '' for a token without one, which matches nothing. */
export function projectOf(actor: Actor): string {
  return actor.projectId ?? ''
}
