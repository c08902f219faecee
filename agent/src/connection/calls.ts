// Questions of the server: each has a schema for what it asks and one function that answers.
import type { AgentCalls } from '@pileus/contract/agent.ts'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'

const schemas = {
  'machine.console': Type.Object({
    machineId: Type.String(),
    lines: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  }),
  'machine.diagnostics': Type.Object({ machineId: Type.String() }),
} satisfies Record<keyof AgentCalls, Type.TSchema>

export type Answers = {
  [M in keyof AgentCalls]: (params: Static<(typeof schemas)[M]>) => Promise<AgentCalls[M]['value']>
}

/** The call cannot be answered; the message is a sentence that goes back to the caller. */
export class CallError extends Error {
  override name = 'CallError'
}

/** Answers one call; throws a `CallError` for a method or parameters that do not exist. */
export async function answer(answers: Answers, method: string, given: unknown): Promise<unknown> {
  if (method === 'machine.console') return await answers[method](check(schemas[method], method, given))
  if (method === 'machine.diagnostics') return await answers[method](check(schemas[method], method, given))
  throw new CallError(`This agent does not know the call ${method}.`)
}

function check<S extends Type.TSchema>(schema: S, method: string, given: unknown): Static<S> {
  if (Value.Check(schema, given)) return given
  const [first] = Value.Errors(schema, given)
  throw new CallError(`${method}: ${first?.instancePath || 'the parameters'} ${first?.message}.`)
}
