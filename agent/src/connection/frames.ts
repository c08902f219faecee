// Frames come from outside: each is checked against its schema before anything looks into it.
import { Challenge, ServerFrame, Welcome } from '@pileus/contract/agent.ts'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

const Incoming = Type.Union([Challenge, Welcome, ServerFrame])
export type Incoming = Static<typeof Incoming>

// One validator for each type: what it says about a bad frame names the field, not a whole union.
const validators = {
  challenge: Compile(Challenge),
  welcome: Compile(Welcome),
  desired: Compile(Type.Extract(ServerFrame, Type.Object({ type: Type.Literal('desired') }))),
  call: Compile(Type.Extract(ServerFrame, Type.Object({ type: Type.Literal('call') }))),
}

/** A frame that is none; the message says what is wrong with it. */
export class BadFrame extends Error {
  override name = 'BadFrame'
}

/** Parses and checks one frame from the server; throws a `BadFrame`. */
export function parseFrame(data: unknown): Incoming {
  if (typeof data !== 'string') throw new BadFrame('The frame is not text.')
  let frame: unknown
  try {
    frame = JSON.parse(data)
  } catch (cause) {
    throw new BadFrame('The frame is not JSON.', { cause })
  }
  const type = typeof frame === 'object' && frame !== null && 'type' in frame ? frame.type : undefined
  if (type === 'challenge' && validators.challenge.Check(frame)) return frame
  if (type === 'welcome' && validators.welcome.Check(frame)) return frame
  if (type === 'desired' && validators.desired.Check(frame)) return frame
  if (type === 'call' && validators.call.Check(frame)) return frame
  if (type !== 'challenge' && type !== 'welcome' && type !== 'desired' && type !== 'call')
    throw new BadFrame(`There is no frame of type ${JSON.stringify(type)}.`)
  const errors = validators[type].Errors(frame).slice(0, 3)
  throw new BadFrame(`${type}: ${errors.map((error) => `${error.instancePath || '/'} ${error.message}`).join('; ')}`)
}
