/** What is to be placed. Resource classes are Placement's: VCPU, MEMORY_MB, DISK_GB, CUSTOM_…; zero amounts are left out. */
export interface PlacementRequest {
  region: string
  /** Who will hold the claim: the server's id. */
  consumerId: string
  projectId: string
  userId: string
  resources: Readonly<Record<string, number>>
  requiredTraits?: readonly string[]
  forbiddenTraits?: readonly string[]
  /** The host must be in at least one aggregate of each list. */
  aggregates?: readonly (readonly string[])[]
  /** The host must be in none of these aggregates. */
  forbiddenAggregates?: readonly string[]
  /** Only these hosts, by name. */
  hosts?: readonly string[]
  avoidHosts?: readonly string[]
  /** On the host of one of these consumers. */
  sameHostAs?: readonly string[]
  /** On no host of these consumers. */
  differentHostFrom?: readonly string[]
  /** Rather on the hosts of these consumers, if there is room. */
  preferHostOf?: readonly string[]
  /** Rather away from the hosts of these consumers, if there is room. */
  spreadFrom?: readonly string[]
}

export interface Placement {
  /** The host's name. */
  host: string
  providerId: string
}

/** Where the consumers that requests speak of are: consumer id → provider id. */
export type Whereabouts = ReadonlyMap<string, string>
