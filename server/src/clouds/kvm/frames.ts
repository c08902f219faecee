// Frames come from other machines: each is checked against its schema before anything looks into it.
import { AgentFrame, Hello, type MachineDiagnostics } from '@pileus/contract/agent.ts'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

/** A frame that is none; the message says what is wrong with it. */
export class BadFrame extends Error {}

const ofType = <Name extends AgentFrame['type']>(name: Name) =>
  Compile(Type.Extract(AgentFrame, Type.Object({ type: Type.Literal(name) })))
const validators = {
  hello: Compile(Hello),
  facts: ofType('facts'),
  report: ofType('report'),
  heartbeat: ofType('heartbeat'),
  result: ofType('result'),
}

/** Throws a BadFrame. */
export function parseFrame(data: unknown, isBinary: boolean): Hello | AgentFrame {
  if (isBinary || !Buffer.isBuffer(data)) throw new BadFrame('the frame is not text')
  let frame: unknown
  try {
    frame = JSON.parse(data.toString())
  } catch (cause) {
    throw new BadFrame('the frame is not JSON', { cause })
  }
  const type = typeof frame === 'object' && frame !== null && 'type' in frame ? frame.type : undefined
  if (type === 'hello' && validators.hello.Check(frame)) return frame
  if (type === 'facts' && validators.facts.Check(frame)) return frame
  if (type === 'report' && validators.report.Check(frame)) return frame
  if (type === 'heartbeat' && validators.heartbeat.Check(frame)) return frame
  if (type === 'result' && validators.result.Check(frame)) return frame
  if (type !== 'hello' && type !== 'facts' && type !== 'report' && type !== 'heartbeat' && type !== 'result')
    throw new BadFrame(`there is no frame of type ${JSON.stringify(type)?.slice(0, 60)}`)
  const [error] = validators[type].Errors(frame)
  throw new BadFrame(`${type}: ${error?.instancePath || '/'} ${error?.message}`)
}

const Count = Type.Number({ minimum: 0 })
const Diagnostics = Type.Object({
  uptimeSeconds: Count,
  cpuTimesNs: Type.Array(Count),
  memoryMaximumMb: Count,
  memoryUsedMb: Count,
  disks: Type.Array(
    Type.Object({ readBytes: Count, readRequests: Count, writeBytes: Count, writeRequests: Count, errors: Count }),
  ),
  nics: Type.Array(
    Type.Object({
      mac: Type.String(),
      rxBytes: Count,
      rxPackets: Count,
      rxDrop: Count,
      rxErrors: Count,
      txBytes: Count,
      txPackets: Count,
      txDrop: Count,
      txErrors: Count,
    }),
  ),
})
const ConsoleOutput = Type.Object({ output: Type.String() })
const isDiagnostics = Compile(Diagnostics)
const isConsoleOutput = Compile(ConsoleOutput)

/** What the agent answered to `machine.diagnostics`; undefined when it is something else. */
export function asDiagnostics(value: unknown): MachineDiagnostics | undefined {
  return isDiagnostics.Check(value) ? value : undefined
}
export function asConsoleOutput(value: unknown): Static<typeof ConsoleOutput> | undefined {
  return isConsoleOutput.Check(value) ? value : undefined
}
