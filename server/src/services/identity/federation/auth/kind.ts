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

/** Where a provider finds us, for one protocol of its. */
export interface Place {
  /** Browsers come back to it. */
  returnUrl: string
  /** What we say of ourselves. */
  descriptionUrl: string
}
/** A browser's sign-in of that id. */
export interface Journey extends Place {
  id: string
}

/** Each of these refuses (refusal.ts) what is not the provider's word. */
export interface ProtocolKind {
  /** Browsers bring the answer in a form that the provider's page posts: with it goes no cookie that is SameSite=Lax. */
  isPosted: boolean
  /** What the provider says of a client without a browser, by what it shows at `…/protocols/<protocol>/auth`. */
  attributesOf(world: World, spoken: Spoken, presented: Presented): Promise<Attributes>
  /** Where a browser is sent to sign in, and what has to be known when it comes back. */
  departure(world: World, spoken: Spoken, journey: Journey): Promise<{ location: string; own: Record<string, string> }>
  /** What a browser comes back with, read before anything is believed of it. */
  readAnswer(presented: Presented): Promise<Answer>
  /** What the provider says of who signed in there; `own` is what the departure gave. */
  arrival(
    world: World,
    spoken: Spoken,
    fields: Record<string, string | undefined>,
    journey: Journey & { own: Record<string, string> },
  ): Promise<Attributes>
  /** What a provider has to know of us, where it takes that as a document. */
  describe?(spoken: Spoken, place: Place): Promise<{ type: string; body: string }>
}

export interface Answer {
  /** Of the sign-in that it answers. */
  id: string
  fields: Record<string, string | undefined>
  /** What our own page may post, once, when the browser brought no cookie: then it does. */
  again?: Record<string, string>
}
