// What a kind of protocol has to do: find out, in its own way, what a provider says of somebody. From there on all go the same
// way (sign-in.ts).
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { QueryValues } from '#lib/http/route.ts'
import type { World } from '#lib/world.ts'
import type { Attributes } from '../mappings/engine.ts'
import type { Spoken } from './sign-in.ts'

/** What comes with a request; the body is unread. */
export interface Presented {
  headers: IncomingHttpHeaders
  query: QueryValues
  stream: Readable
}

/** A browser's sign-in of that id; `returnUrl` is where it comes back to. */
export interface Journey {
  id: string
  returnUrl: string
}

/** Each of these refuses (refusal.ts) what is not the provider's word. */
export interface ProtocolKind {
  /** What the provider says of a client without a browser, by what it shows at `…/protocols/<protocol>/auth`. */
  attributesOf(world: World, spoken: Spoken, presented: Presented): Promise<Attributes>
  /** Where a browser is sent to sign in, and what has to be known when it comes back. */
  departure(world: World, spoken: Spoken, journey: Journey): Promise<{ location: string; own: Record<string, string> }>
  /** What a browser comes back with, read before anything is believed of it, and the id of the sign-in that it answers. */
  readAnswer(presented: Presented): Promise<{ id: string; fields: Record<string, string | undefined> }>
  /** What the provider says of who signed in there; `own` is what the departure gave. */
  arrival(
    world: World,
    spoken: Spoken,
    fields: Record<string, string | undefined>,
    journey: Journey & { own: Record<string, string> },
  ): Promise<Attributes>
}
