import { Fault } from '#lib/fault.ts'

/**
 * Why somebody was not let in: `why` is for the log, where whoever keeps the provider finds it. To who asks it is the same
 * answer whatever was wrong.
 */
export function refuse(why: string, cause?: unknown): never {
  throw new Fault('unauthenticated', 'The request you have made requires authentication.', {
    cause: new Refusal(why, cause === undefined ? undefined : { cause }),
  })
}

class Refusal extends Error {}

/** The sentence for the log; undefined for what is no refusal of ours. */
export function whyRefused(error: unknown): string | undefined {
  if (!(error instanceof Fault && error.cause instanceof Refusal)) return undefined
  const { message, cause } = error.cause
  return cause instanceof Error ? `${message} (${cause.message})` : message
}
