// Password hashes: argon2id (RFC 9106), computed off the event loop, few at a time so that a storm of logins cannot take
// the whole machine.
import { argon2 as argon2Callback, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { Fault } from '#lib/fault.ts'

const argon2 = promisify(argon2Callback)

// OWASP's minimum for argon2id: 19 MiB, 2 passes, 1 lane.
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }

let free = 2
const waiting: (() => void)[] = []
/** How many hashes are computed at once in this process. */
export function setPasswordConcurrency(count: number): void {
  free = count
}

/** More than this many waiting means minutes for the last one: better told at once. */
const mostWaiting = 1000

async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (free > 0) free--
  else if (waiting.length >= mostWaiting)
    throw new Fault('tooMany', 'Too many are signing in at this moment; try again soon.')
  else await new Promise<void>((go) => waiting.push(go))
  try {
    return await work()
  } finally {
    const following = waiting.shift()
    if (following) following()
    else free++
  }
}

const raw = (password: string, salt: Buffer, how: typeof cost): Promise<Buffer> =>
  inTurn(() => argon2('argon2id', { message: Buffer.from(password), nonce: salt, ...how }) as Promise<Buffer>)

/** PHC string form: $argon2id$v=19$m=…,t=…,p=…$salt$hash */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await raw(password, salt, cost)
  const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${text(salt)}$${text(hash)}`
}

/** Whether the password is the one that was hashed. With `undefined` it takes as long and says no: unknown users show no difference. */
export async function verifyPassword(password: string, phc: string | undefined): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(phc ?? decoy)
  if (!match) throw new Error('a stored password hash cannot be read')
  const [, memory, passes, parallelism, salt, hash] = match
  const wanted = Buffer.from(hash!, 'base64')
  const found = await raw(password, Buffer.from(salt!, 'base64'), {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: wanted.length,
  })
  return timingSafeEqual(found, wanted) && phc !== undefined
}

const decoy = `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${'A'.repeat(22)}$${'A'.repeat(43)}`
